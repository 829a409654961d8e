"""What must never happen, in words, before any check; README.md says the same to people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Anomaly(StrEnum):
    """One way of breaking a promise."""

    LOST = "a command was answered `accepted`, and its event is not stored"  # I1
    MOVED = "a command was answered `accepted` with a seq under which something else is stored"  # I1
    APPLIED_TWICE = "one command of one actor made two events"  # I2
    TWO_ANSWERS = "one command was answered `accepted` with two seqs"  # I2
    STORED_HOLE = "the stored seqs of a room are not 1, 2, 3 ... without hole and repeat"  # I3
    HOLE = "a client got an event and had not got the one before it"  # I3
    REPEAT = "a client got an event again that nothing told it would come again"  # I3
    REORDERED = "a command was sent after another one was accepted, and has the lower seq in their room"  # I4
    PHANTOM = "a client got an event that is not stored, or stored otherwise under its seq"  # I4, I5
    UNASKED = "an event is stored that nobody asked for"  # I5
    SPLIT = "two events were told under one seq of a room"  # I4, I8
    STALE_WRITER = "an event is stored behind one of a later writer"  # I8
    MISNUMBERED = "two messages have one `message_id`, or the later one in a room has the lower"
    CONTRADICTION = "history set an entry of the log aside because it contradicts what is stored"  # I3, I8
    UNFINISHED = "a client had not got the room's last event when the workload ended"  # I3
    STRANGER = "an event came for a room to which its connection was not attached"  # I10
    LEAK = "somebody was shown something of a private room that is not for them"  # I10
    STUCK = "a command never came to an end, however often it was tried again"
    APPLIED_THOUGH_REFUSED = "every try of a command was refused as certainly not applied, and its event is stored"
    WRONG_UNREAD = "a member's count of unread messages is not what is stored behind their mark"
    WRONG_MARK = "how far a member has read or received is not kept as it was accepted"
    WRONG_PRESENCE = "a room's members are told as online or offline otherwise than they are, beyond the bound"
    WRONG_START = "`attached` said another position than the client gave, and no `reset` came before"
    NEEDLESS_RESET = "a client was told `reset`, and was not further behind than the gates replay"  # I9
    REFUSED_FOR_GOOD = "a command that its sender may give was refused, and not to be sent again"
    NOT_BACK = "a worker did not come back after a fault was over"
    GARBLED = "something was pushed that is no frame of the protocol"
    SHUT_OUT = "a member was shown nothing by a way that shows the room to its members"
    WRONG_MEMBERS = "the members that are told of a room are not those that follow from its stored events"  # I7
    NOT_KEPT_OUT = "a ban was accepted and is not stored, or somebody became a member while a ban of theirs stood"
    OVERUSED = "more people joined by an invite than it lets in"
    UNPROVEN = (
        "a run did less than its checks need: a way was never refused or never showed anything, too few came and went"
    )


class Finding(NamedTuple):
    """One anomaly, with its evidence: whom it happened to, in which room, at which seq, and what was seen."""

    anomaly: Anomaly
    who: str
    room: str
    seq: int
    evidence: str = ""


class Stored(NamedTuple):
    """A stored event. `user` is whom it is about, where it is about somebody; `row` is all that is stored of it."""

    room: str
    epoch: str
    seq: int
    actor: str
    command_id: str
    event: str = "message_posted"
    text: str | None = None
    user: str | None = None
    fence: int = 0
    message_id: str | None = None
    row: Mapping[str, Any] = {}


Place = tuple[str, int]
"""A room and a seq."""
