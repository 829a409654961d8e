"""What one client of a workload was told, as it came: the only evidence the checks look at.

Entries are told in the words of docs/protocol.md. Nothing is judged and nothing is dropped here.
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


class Got(NamedTuple):
    """An event."""

    room: str
    epoch: str
    seq: int
    command_id: str


class Answered(NamedTuple):
    """A command of the client was accepted."""

    room: str
    epoch: str
    seq: int
    command_id: str


class Refused(NamedTuple):
    """A command or an attach was refused; `retry` says that it may be sent again."""

    code: str
    retry: bool


class Reset(NamedTuple):
    """What was missed does not come any more."""

    room: str
    epoch: str
    seq: int


class Lagged(NamedTuple):
    """The client was too slow: what lies between comes from storage."""

    room: str
    after: int
    through: int


class Service(NamedTuple):
    """The gate about its broker."""

    available: bool
    at: float


class Bye(NamedTuple):
    """The gate's last word."""

    code: int
    retry_after_seconds: float | None


class Lost(NamedTuple):
    """The connection is over; `code` is None where there was no close frame. `owed` are the commands that were sent on
    it and had no answer when it ended."""

    code: int | None
    owed: frozenset[str]


Entry = Opened | Attached | Got | Answered | Refused | Reset | Lagged | Service | Bye | Lost


class Journal(list[Entry]):
    """One client's entries in order."""

    def of(self, kind: type[Entry]) -> list[Any]:
        """The entries of one kind."""
        return [entry for entry in self if isinstance(entry, kind)]
