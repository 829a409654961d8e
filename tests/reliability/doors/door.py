"""What all doors have in common: wishes and answers, and what is heard without being waited for."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from tests.reliability.client import as_pushed, got
from tests.reliability.journal import Answered, Garbled, Journal, Told

WITHOUT_EVENT: Final = frozenset({"mark_read", "mark_delivered", "ban"})
"""Marks make no event, and a ban of somebody who is banned already makes none."""


class NoAnswer(Exception):
    """It is not known what became of the command."""


class Wish(NamedTuple):
    """A try of a command. `again` says that an earlier one had no answer."""

    user: str
    verb: str
    room: str
    command_id: str
    fields: Mapping[str, Any]
    again: bool = False

    def body(self) -> dict[str, Any]:
        """As the contract has it, without the actor."""
        flag = {"retry": True} if self.again else {}
        return {"type": self.verb, "room": self.room, "command_id": self.command_id, **self.fields, **flag}


class Yes(NamedTuple):
    """Accepted. `seq` is None where the door does not tell."""

    epoch: str
    seq: int | None


class No(NamedTuple):
    """Refused."""

    code: str
    definite: bool
    retry: bool


class Overheard:
    """What users were told that they did not wait for, or no longer: pushes, and answers that came late."""

    def __init__(self) -> None:
        self.journals: dict[str, Journal] = defaultdict(Journal)
        self._given_up: dict[str, Wish] = {}

    def give_up(self, number: str, wish: Wish) -> None:
        """Nobody waits for the answer of this number any longer."""
        self._given_up[number] = wish

    def take_answer(self, number: str, answer: Mapping[str, Any]) -> None:
        """A late one counts as any other where it names an event."""
        wish = self._given_up.pop(number, None)
        if wish is not None and answer["type"] == "accepted" and wish.verb not in WITHOUT_EVENT:
            late = Answered(wish.room, answer["epoch"], answer["seq"], wish.command_id, time.monotonic())
            self.journals[wish.user].append(late)

    def take_push(self, user: str, frame: Mapping[str, Any]) -> None:
        """Whatever belongs to a room."""
        if frame["type"] == "event":
            self.journals[user].append(got(frame))
        elif frame["type"] == "signal" and "room" in frame:
            self.journals[user].append(Told(frame["room"], frame["signal"], time.monotonic(), as_pushed(frame)))

    def take_garbled(self, user: str, why: str) -> None:
        """It was no frame."""
        self.journals[user].append(Garbled(why, time.monotonic()))


class Door(Protocol):
    """One way in. Nobody attaches through it."""

    name: str
    overheard: Overheard

    def know(self, user: str) -> None:
        """Somebody will come: make what must be made for them before."""

    async def say(self, wish: Wish, within_seconds: float) -> Yes | No:
        """Have a command applied.

        Raises:
            NoAnswer: nothing was heard of it in time.
        """

    async def close(self) -> None:
        """Everybody hangs up."""


def answer_of(answer: Mapping[str, Any]) -> Yes | No:
    """What an `accepted` or `refused` of the contract says."""
    if answer["type"] == "refused":
        return No(answer["code"], answer["definite"], answer["retry"])
    return Yes(answer.get("epoch", ""), answer.get("seq"))
