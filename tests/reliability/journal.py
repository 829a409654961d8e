"""What one client of a workload asked and was told, as it came: the only evidence the checks look at.

Entries are told in the words of docs/protocol.md. Nothing is judged and nothing is dropped here. Every `at` is seconds
of one monotonic clock, that of the process which carries all clients.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Opened(NamedTuple):
    """A gate said welcome: a connection begins."""

    gate: int
    at: float


class Attached(NamedTuple):
    """Events of the room come from here on."""

    room: str
    epoch: str
    seq: int
    at: float = 0.0


class Detached(NamedTuple):
    """No event of the room comes any more."""

    room: str
    code: str
    at: float


class Got(NamedTuple):
    """An event; `text` is a message's. `frame` is all of it as it was pushed, as JSON: one text for all who got the
    same."""

    room: str
    epoch: str
    seq: int
    command_id: str
    text: str | None = None
    at: float = 0.0
    frame: str = "{}"


class Told(NamedTuple):
    """A signal of a room; `frame` as of an event."""

    room: str
    signal: str
    at: float
    frame: str = "{}"


class Asked(NamedTuple):
    """A try of a command goes out, through one of the doors; `again` flags it as a repeat of one without an answer.
    `user` is whom it is about, where it is about somebody."""

    command_id: str
    room: str
    verb: str
    door: str
    again: bool
    at: float
    text: str | None = None
    user: str | None = None


class Answered(NamedTuple):
    """A command that makes an event was accepted."""

    room: str
    epoch: str
    seq: int
    command_id: str
    at: float = 0.0


class Done(NamedTuple):
    """A command was accepted that makes no event, or none that the answer names. `upto` is the seq that a mark asked
    for."""

    room: str
    verb: str
    upto: int
    command_id: str
    at: float


class Refused(NamedTuple):
    """A command or an attach was refused; `retry` says that it may be sent again, `definite` that this try did
    nothing."""

    code: str
    retry: bool
    definite: bool = True
    command_id: str = ""
    at: float = 0.0


class Unanswered(NamedTuple):
    """A try had no answer in its time: what became of it is not known."""

    command_id: str
    at: float


class Peeked(NamedTuple):
    """Somebody looked into a room by one way or another, since then. `seqs` are the events that were shown, beside
    what else that way shows; None: it was refused."""

    room: str
    way: str
    seqs: tuple[int, ...] | None
    at: float
    since: float | None = None


class Reset(NamedTuple):
    """What was missed does not come any more."""

    room: str
    epoch: str
    seq: int
    at: float = 0.0


class Lagged(NamedTuple):
    """The client was too slow: what lies between comes from storage."""

    room: str
    after: int
    through: int
    at: float = 0.0


class Service(NamedTuple):
    """The gate about its broker."""

    available: bool
    at: float


class Bye(NamedTuple):
    """The gate's last word."""

    code: int
    retry_after_seconds: float | None
    at: float = 0.0


class Lost(NamedTuple):
    """The connection is over; `code` is None where there was no close frame. `owed` are the commands that were sent on
    it and had no answer when it ended."""

    code: int | None
    owed: frozenset[str]
    at: float = 0.0


class Garbled(NamedTuple):
    """Something came that is no frame of the protocol."""

    why: str
    at: float


Entry = (
    Opened
    | Attached
    | Detached
    | Got
    | Told
    | Asked
    | Answered
    | Done
    | Refused
    | Unanswered
    | Peeked
    | Reset
    | Lagged
    | Service
    | Bye
    | Lost
    | Garbled
)


class Journal(list[Entry]):
    """One client's entries in order."""

    def of(self, kind: type[Entry]) -> list[Any]:
        """The entries of one kind."""
        return [entry for entry in self if isinstance(entry, kind)]
