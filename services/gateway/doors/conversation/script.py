"""One conversation socket as a state machine: native frames and the client's own go in, what is to be done comes out.
Pure.

The socket is attached to one room with the position of a page: what was logged behind the page comes as a replay, so
that page and live events meet without a hole or a repeat, and nothing has to be held. After a `reset`, or where a seq
is missing, the same begins anew with a fresh page, and what comes live meanwhile is dropped: the new page and the
replay behind it hold it.

    stage       attached    reset       gap         page        over
    ATTACHING   LIVE        RELOADING   RELOADING               ENDED
    LIVE        LIVE        RELOADING   RELOADING               ENDED
    RELOADING   RELOADING   RELOADING               ATTACHING   ENDED
    ENDED       ENDED       ENDED       ENDED       ENDED       ENDED

A pair that is not in the table cannot be.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum, auto
from typing import Final, NamedTuple, assert_never

from schemas.answers import Refused
from schemas.commands import Position
from schemas.errors import ERRORS, Code
from schemas.ids import RoomId, UserId
from schemas.queries import PageAnswer
from services.gateway.doors.conversation import asking, telling
from services.gateway.doors.conversation.asking import Frame, MessageFrame, PingFrame, SyncFrame, TypingFrame
from services.gateway.doors.conversation.catching import Caught
from services.gateway.doors.conversation.complaints import error_frame
from services.gateway.doors.conversation.hearing import Heard, encode
from services.gateway.doors.conversation.people import People

EARLY_FRAMES: Final = 32
EARLY_BYTES: Final = 128 * 1024
"""Frames of a client that are kept until it was told `connected`."""

RELOADS: Final = 5
"""So many fresh pages in a row may be outdated before the socket is closed."""

AHEAD: Final = 2_000
"""So many messages ahead of the live ones are remembered as told."""

LEFT: Final = (1000, "Left conversation")
BUSY: Final = "a sync is under way"
EARLY: Final = "too many frames before the conversation was opened"


class Stage(Enum):
    """How far the socket is."""

    ATTACHING = auto()
    LIVE = auto()
    RELOADING = auto()
    ENDED = auto()


class Turn(Enum):
    """What moves it."""

    ATTACHED = auto()
    RESET = auto()
    GAP = auto()
    PAGE = auto()
    OVER = auto()


MOVES: Final[dict[tuple[Stage, Turn], Stage]] = {
    (Stage.ATTACHING, Turn.ATTACHED): Stage.LIVE,
    (Stage.ATTACHING, Turn.RESET): Stage.RELOADING,
    (Stage.ATTACHING, Turn.GAP): Stage.RELOADING,
    (Stage.ATTACHING, Turn.OVER): Stage.ENDED,
    (Stage.LIVE, Turn.ATTACHED): Stage.LIVE,
    (Stage.LIVE, Turn.RESET): Stage.RELOADING,
    (Stage.LIVE, Turn.GAP): Stage.RELOADING,
    (Stage.LIVE, Turn.OVER): Stage.ENDED,
    (Stage.RELOADING, Turn.ATTACHED): Stage.RELOADING,
    (Stage.RELOADING, Turn.RESET): Stage.RELOADING,
    (Stage.RELOADING, Turn.PAGE): Stage.ATTACHING,
    (Stage.RELOADING, Turn.OVER): Stage.ENDED,
    **{(Stage.ENDED, turn): Stage.ENDED for turn in Turn},
}


class Say(NamedTuple):
    """Put this on the wire."""

    data: bytes


class Wish(NamedTuple):
    """Give this frame to the native connection, as if its client had sent it."""

    frame: Frame


class Refuse(NamedTuple):
    """A frame of the client was no good."""

    refused: Refused


class Reload(NamedTuple):
    """Fetch the newest page, and give it to `receive_page`, or say `give_up`."""


class Close(NamedTuple):
    """End the socket so."""

    number: int
    reason: str


class GiveUp(NamedTuple):
    """End the socket with this code: the client may come back."""

    code: Code


Effect = Say | Wish | Refuse | Reload | Close | GiveUp


class Script:
    """Says what one client is told. `open`, then any number of `receive_*`; each returns what to do, in order."""

    def __init__(self, room: RoomId, user: UserId, page: PageAnswer) -> None:
        self.room = room
        self.user = user
        self.stage = Stage.ATTACHING
        self.people = People()
        self._page = page
        self._epoch = page.epoch
        self._seen = page.head
        self._ahead: set[int] = set()
        self._opened = False
        self._banned = False
        self._reloads = 0
        self._early: list[bytes] = []
        self._sync: Caught | None = None
        self._out: list[Effect] = []

    def open(self) -> list[Effect]:
        """Begin: ask for everything behind the page."""
        self._attach()
        return self._take()

    # The client.

    def receive_text(self, data: bytes) -> list[Effect]:
        """One frame of the client. Those that come before it was told `connected` wait until then."""
        if self._opened:
            self._ask(data)
        elif len(self._early) >= EARLY_FRAMES or sum(map(len, self._early)) + len(data) > EARLY_BYTES:
            self._out.append(Refuse(Refused.of(Code.OVERLOADED, EARLY)))
        else:
            self._early.append(data)
        return self._take()

    def _ask(self, data: bytes) -> None:
        frame = asking.parse(data)
        match frame:
            case Refused():
                self._out.append(Refuse(frame))
            case SyncFrame() if self._sync is not None:
                self._out.append(Refuse(Refused.of(Code.DUPLICATE_IN_FLIGHT, BUSY)))
            case SyncFrame():
                self._sync = Caught(frame.last_sequence_id)
                self._out.append(Wish(asking.native(frame, self.room)))
            case MessageFrame() | TypingFrame() | PingFrame():
                self._out.append(Wish(asking.native(frame, self.room)))
            case _:
                assert_never(frame)

    # The gate.

    def receive(self, heard: Iterable[Heard], at: datetime) -> list[Effect]:
        """Native frames, in order; `at` is now."""
        for one in heard:
            self._hear(one, at)
        return self._take()

    def receive_page(self, page: PageAnswer) -> list[Effect]:
        """The page that was asked for by `Reload`: go on behind it."""
        if self.stage is Stage.RELOADING:
            self._move(Turn.PAGE)
            self._page, self._epoch, self._seen = page, page.epoch, page.head
            self._attach()
        return self._take()

    def give_up(self) -> list[Effect]:
        """The page cannot be had."""
        self._end(GiveUp(Code.BROKER_LOST))
        return self._take()

    def _hear(self, heard: Heard, at: datetime) -> None:
        frame = heard.frame
        match frame["type"]:
            case "event":
                self._hear_event(heard)
            case "signal":
                self._hear_signal(frame, at)
            case "attached":
                self._hear_attached(frame, at)
            case "reset":
                self._reload(Turn.RESET)
            case "detached":
                self._end(self._farewell(frame.get("code")))
            case _:
                self._hear_answer(frame)

    def _hear_answer(self, frame: Frame) -> None:
        match frame["type"]:
            case "accepted":
                self._hear_accepted(frame)
            case "refused":
                self._hear_refused(Refused.model_validate(frame))
            case "page":
                self._hear_page(frame)
            case "pong":
                self._say({"type": "pong"})
            case "bye":
                after = frame.get("retry_after_seconds")
                self._complain(Refused.of(Code(frame["reason"]), retry_after_seconds=after))

    # Numbered facts.

    def _hear_event(self, heard: Heard) -> None:
        event = heard.frame
        self._note_ban(event)
        if self.stage is not Stage.LIVE:
            return
        seq = event["seq"]
        if event["epoch"] != self._epoch or seq > self._seen + 1:
            self._reload(Turn.GAP)
        elif seq > self._seen:
            self._seen = seq
            self._tell(heard, known=seq in self._ahead)
            self._ahead.discard(seq)

    def _tell(self, heard: Heard, *, known: bool) -> None:
        tell = telling.MEMBERS.get(heard.frame["event"])
        if tell is not None:
            frame = tell(heard.frame, self.people)
            self._out += [] if frame is None else [Say(encode(frame))]
        elif heard.said is not None and not known:
            self._out.append(Say(heard.said))

    def _note_ban(self, event: Frame) -> None:
        if event["event"] in telling.MEMBERS and event["user"] == self.user:
            self._banned = event["event"] == "member_banned"

    def _hear_accepted(self, accepted: Frame) -> None:
        if accepted.get("id") != asking.MESSAGE:
            return
        seq = accepted["seq"]
        if accepted["epoch"] == self._epoch and seq > self._seen:
            if self.stage is Stage.LIVE and seq == self._seen + 1:
                self._seen = seq
            else:
                self._note_ahead((seq,))
        self._say(telling.ack(accepted))

    def _note_ahead(self, seqs: Iterable[int]) -> None:
        """The client has these already: the events themselves, when they come, are not said again."""
        self._ahead = {seq for seq in self._ahead if seq > self._seen}
        self._ahead.update(seq for seq in seqs if seq > self._seen and len(self._ahead) < AHEAD)

    # Unnumbered facts.

    def _hear_signal(self, signal: Frame, at: datetime) -> None:
        if self.stage is not Stage.LIVE:
            return
        match signal["signal"]:
            case "typing" if signal["user"] != self.user:
                self._say(telling.typing(signal))
            case "presence":
                self._hear_presence(signal, at)
            case "service" if not signal["available"]:
                self._complain(Refused.of(Code.OVERLOADED))

    def _hear_presence(self, signal: Frame, at: datetime) -> None:
        if signal.get("anew"):
            self.people.forget_who_is_there()
        for change in signal.get("changes", ()):
            user = change["user"]
            action = self.people.see(user, change["state"])
            if action is not None and user != self.user and not signal.get("anew"):
                self._say(telling.came_or_went(self.room, self.people, user, action))
        if signal.get("anew"):
            self._say(telling.participant_list(self.room, self.people, at))

    # Opening, and opening anew.

    def _attach(self) -> None:
        self._out.append(Wish(asking.attach(self.room, Position(epoch=self._page.epoch, seq=self._page.head))))

    def _hear_attached(self, attached: Frame, at: datetime) -> None:
        if self.stage is Stage.ATTACHING and attached.get("id") != asking.ATTACH:
            return  # of the session before
        meets = (attached["epoch"], attached["seq"]) == (self._page.epoch, self._page.head)
        if self.stage is Stage.ATTACHING and not meets:
            self._reload(Turn.GAP)
            return
        before, self.stage = self.stage, MOVES[self.stage, Turn.ATTACHED]
        if self.stage is Stage.LIVE:
            self.people = People.of(attached)
        if before is Stage.ATTACHING:
            self._reloads = 0
            self._begin(at)

    def _begin(self, at: datetime) -> None:
        """The first thing said of the conversation, or all of it anew."""
        found = telling.messages(event.to_dict() for event in self._page.events)
        self._page = self._page.model_copy(update={"events": ()})
        if self._opened:
            self._ahead.clear()  # who forgets everything forgets these as well
            self._say(telling.sync(self.room, found, self._seen, self.people, reset=True))
            return
        self._opened = True
        self._say(telling.connected(self.room, self.user, self.people.count))
        self._say(telling.participant_list(self.room, self.people, at))
        for message in found:
            self._say(message)
        early, self._early = self._early, []
        for data in early:
            self._ask(data)

    def _reload(self, turn: Turn) -> None:
        asked = self.stage is Stage.RELOADING
        self._move(turn)
        if self.stage is not Stage.RELOADING or asked:
            return
        self._reloads += 1
        if self._reloads > RELOADS:
            self._end(GiveUp(Code.BROKER_LOST))
        else:
            self._out.append(Reload())

    # Refusals and pages.

    def _hear_refused(self, refused: Refused) -> None:
        if refused.id == asking.SYNC and self._sync is not None and self._sync.pages:
            self._finish_sync(more=True)
            return
        self._complain(refused)
        if refused.id == asking.SYNC:
            self._sync = None
        elif refused.id == asking.ATTACH:
            self._end(GiveUp(Code.BROKER_LOST) if refused.retry else self._farewell(refused.code))

    def _complain(self, refused: Refused) -> None:
        self._say(error_frame(self.room, refused))

    def _hear_page(self, page: Frame) -> None:
        if self._sync is None:
            return
        self._sync.take(page)
        if self._sync.wants_more:
            self._out.append(Wish(asking.history(self.room, self._sync.through)))
        else:
            self._finish_sync(more=not self._sync.complete)

    def _finish_sync(self, *, more: bool) -> None:
        caught, self._sync = self._sync, None
        if caught is None:
            raise AssertionError("only a sync that was begun ends")
        found = telling.messages(caught.events)
        if caught.epoch == self._epoch:
            self._note_ahead(message["sequence_id"] for message in found)
        current = caught.through if more else max(caught.head, self._seen if caught.epoch == self._epoch else 0)
        self._say(telling.sync(self.room, found, current, self.people, has_more=more))

    # The end.

    def _farewell(self, code: str | None) -> Close:
        if self._banned or code == Code.BANNED:
            return Close(ERRORS[Code.BANNED].close or LEFT[0], Code.BANNED.value)
        return Close(*LEFT)

    def _end(self, last: Close | GiveUp) -> None:
        if self.stage is not Stage.ENDED:
            self._move(Turn.OVER)
            self._out.append(last)

    def _move(self, turn: Turn) -> None:
        self.stage = MOVES[self.stage, turn]

    def _say(self, frame: Frame) -> None:
        self._out.append(Say(encode(frame)))

    def _take(self) -> list[Effect]:
        out, self._out = self._out, []
        return out
