"""The messages that commands are about: what a writer knows of each, and which ones it still has to ask history for.

Pure. A message is known whole when it was posted under this writer; one that history told of is known with the
reactions of those who asked. While a message is in question nobody decides about it, and questions about it begin
behind all that was decided; so the answers of a round, which hold everything logged before their questions, hold all
that was ever decided about it, and are never older than what is decided from them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from schemas.commands import Command, Delete, Edit, React, Send, Unreact
from schemas.events import Event, MessageDeleted, MessagePosted, ReactionAdded, ReactionRemoved
from schemas.ids import RoomId, UserId
from schemas.queries import TargetAnswer

NOTHING: frozenset[str] = frozenset()
Place = tuple[RoomId, int]


@dataclass(frozen=True, slots=True)
class Target:
    """A message, or that there is none (`author` None). `whole`: who is not in `reacted` has not reacted.

    Mappings are never changed in place.
    """

    author: UserId | None = None
    posted_at: datetime | None = None
    deleted: bool = False
    kinds: Mapping[str, int] = field(default_factory=dict)
    reacted: Mapping[UserId, frozenset[str]] = field(default_factory=dict)
    whole: bool = True

    def has_reacted(self, user: UserId, emoji: str) -> bool:
        """The user's reaction of this kind is there."""
        return emoji in self.reacted.get(user, NOTHING)

    def knows(self, user: UserId) -> bool:
        """What the user has put to the message is known."""
        return self.whole or user in self.reacted


def target_of(command: Command) -> int | None:
    """The seq of the message that a command is about, if it is about one."""
    match command:
        case Edit() | Delete() | React() | Unreact():
            return command.seq
        case Send():
            return command.reply_to
        case _:
            return None


def asks_for_reactions(command: Command) -> bool:
    """Whether it matters what the actor has put to the message."""
    return isinstance(command, React | Unreact)


def evolve_target(target: Target, event: Event) -> Target:
    """The message after an event about it."""
    match event:
        case MessageDeleted():
            return replace(target, deleted=True, kinds={}, reacted={}, whole=True)
        case ReactionAdded():
            return _reacted(
                target, event.actor, target.reacted.get(event.actor, NOTHING) | {event.emoji}, event.emoji, 1
            )
        case ReactionRemoved():
            return _reacted(
                target, event.actor, target.reacted.get(event.actor, NOTHING) - {event.emoji}, event.emoji, -1
            )
        case _:
            return target


class Targets:
    """Bounded by how many messages and reactors it holds; what was used longest ago is forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[Place, Target] = OrderedDict()
        self._weight = 0
        self._in_question: set[Place] = set()

    def find(self, room: RoomId, seq: int) -> Target | None:
        """The message, if something is known of it; it counts as used now."""
        target = self._held.get((room, seq))
        if target is not None:
            self._held.move_to_end((room, seq))
        return target

    def wants(self, room: RoomId, command: Command, seq: int) -> bool:
        """History has to be asked, or is being asked, before a command about the message can be decided."""
        if (room, seq) in self._in_question:
            return True
        target = self.find(room, seq)
        return target is None or (asks_for_reactions(command) and not target.knows(command.actor))

    def ask(self, room: RoomId, seq: int) -> None:
        """The message is in question from here on."""
        self._in_question.add((room, seq))

    def give_up(self, room: RoomId, seq: int) -> None:
        """There will be no answer."""
        self._in_question.discard((room, seq))

    def receive_answer(self, room: RoomId, seq: int, actor: UserId, answer: TargetAnswer) -> None:
        """History knows the message, and what `actor` has put to it."""
        self._in_question.discard((room, seq))
        message = answer.message
        if message is None:
            self._put((room, seq), Target())
            return
        known = self._held.get((room, seq), Target(whole=False))
        told = Target(
            author=message.author,
            posted_at=message.posted_at,
            deleted=message.deleted,
            kinds={each.emoji: each.count for each in message.reactions},
            reacted={**known.reacted, actor: frozenset(answer.reacted)},
            whole=known.whole or message.deleted,
        )
        self._put((room, seq), told)

    def receive_event(self, event: Event) -> None:
        """Take an event into what is known."""
        if isinstance(event, MessagePosted):
            self._put((event.room, event.seq), Target(event.actor, event.at))
        elif isinstance(event, MessageDeleted | ReactionAdded | ReactionRemoved):
            place = event.room, event.target
            target = self._held.get(place)
            if target is not None:
                self._put(place, evolve_target(target, event))

    def _put(self, place: Place, target: Target) -> None:
        self._drop(place)
        self._held[place] = target
        self._weight += _weight(target)
        while self._weight > self._limit and len(self._held) > 1:
            self._drop(next(iter(self._held)))

    def _drop(self, place: Place) -> None:
        dropped = self._held.pop(place, None)
        if dropped is not None:
            self._weight -= _weight(dropped)


def _weight(target: Target) -> int:
    return 1 + len(target.reacted)


def _reacted(target: Target, user: UserId, mine: frozenset[str], emoji: str, by: int) -> Target:
    count = target.kinds.get(emoji, 0) + by
    kinds = {**target.kinds, emoji: count}
    if count <= 0:
        del kinds[emoji]
    return replace(target, kinds=kinds, reacted={**target.reacted, user: mine})
