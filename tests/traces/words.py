"""How traces say things: moments, epochs, events and frames in one short form each. No rules here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_json

from schemas import limits
from schemas.answers import Accepted, Refused
from schemas.commands import SaidStatus
from schemas.events import Event, Receipt
from schemas.frames import Attached, Detached, Lagged, Reset
from schemas.operations import Inspection
from schemas.queries import (
    HoleQuery,
    LookupQuery,
    MembersAnswer,
    PageAnswer,
    QueryAnswer,
    RoomsAnswer,
    RoomView,
    SearchAnswer,
    SnapshotQuery,
    TargetQuery,
)
from schemas.signals import PresenceSignal, ReceiptSignal, Signal, TypingSignal
from schemas.state import InviteState, MemberState, RoomState

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
UNSAID = frozenset({"type", "event", "room", "epoch", "seq", "at", "actor", "command_id", "message_id"})
USUAL = {"capacity": limits.ROOM_MEMBERS}
PROSE = frozenset({"title", "topic", "text"})


def clock(moment: datetime) -> str:
    """A moment as the clock on the wall shows it; a trace begins on day 1 at 12:00."""
    day = (moment.date() - START.date()).days + 1
    shown = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    return shown if day == 1 else f"day {day}, {shown}"


def moment_from(text: str, now: datetime) -> datetime:
    """`+90s`, `+10m`, `+2h`, `+7d` from now, `-5m` before.

    Raises:
        ValueError: it is none of these.
    """
    return now + duration_from(text.removeprefix("+"))


def duration_from(text: str) -> timedelta:
    """`90s`, `0.5s`, `10m`, `2h` or `7d`.

    Raises:
        ValueError: it is none of these.
    """
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    if unit is None:
        raise ValueError(f"{text!r} is no span of time: 90s, 10m, 2h, 7d")
    return timedelta(**{unit: float(text[:-1])})


def plural(count: int, thing: str, things: str | None = None) -> str:
    """`1 session`, `2 sessions`."""
    return f"{count} {thing}" if count == 1 else f"{count} {things or thing + 's'}"


class Words:
    """Says things. Epochs are called e1, e2 ... in the order in which a trace meets them."""

    def __init__(self) -> None:
        self._epochs: dict[str, str] = {}

    def epoch(self, epoch: str) -> str:
        """The name of an epoch."""
        return self._epochs.setdefault(epoch, f"e{len(self._epochs) + 1}")

    def epoch_named(self, name: str) -> str:
        """The epoch of a name; a name that is none yet is an epoch nobody knows."""
        return next((epoch for epoch, called in self._epochs.items() if called == name), name)

    def event(self, event: Event) -> str:
        """An event with what is its own."""
        self.epoch(event.epoch)
        return f"{event.room} {event.seq} {event.event} by {event.actor}{self._fields(event)}"

    def receipt(self, receipt: Receipt) -> str:
        """A record of the log."""
        return f"{receipt.room} receipt of {receipt.user}: read={receipt.read} delivered={receipt.delivered}"

    def accepted(self, answer: Accepted) -> str:
        """A yes."""
        invite = f", invite {answer.invite}" if answer.invite else ""
        return f"accepted {answer.command_id} at {answer.room} {answer.seq}{invite}"

    def refused(self, answer: Refused) -> str:
        """A no; whether it is certain, where it is not."""
        doubt = "" if answer.definite else " (not definite)"
        which = f" {answer.command_id}" if answer.command_id else ""
        return f"refused{which}: {answer.code}, {answer.message}{doubt}"

    def attached(self, frame: Attached) -> str:
        """What a client is told of the room when it begins."""
        there = [member.user for member in frame.members if member.online]
        said = "".join(f", {each.user} is {self.status(each.status)}" for each in frame.members if each.status)
        closed = ", closed" if frame.closed else ""
        return (
            f"attached to {frame.room} as {frame.role} at {self.epoch(frame.epoch)}/{frame.seq}{closed}; "
            f"{plural(frame.member_count, 'member')}, there: {' '.join(there) or 'nobody'}{said}"
        )

    def detached(self, frame: Detached) -> str:
        """The end of a session."""
        return f"detached from {frame.room}" + (f": {frame.code}" if frame.code else "")

    def reset(self, frame: Reset) -> str:
        """The word to start afresh."""
        return f"reset {frame.room} to {self.epoch(frame.epoch)}/{frame.seq}"

    def lagged(self, frame: Lagged) -> str:
        """What is replayed to a client that did not keep up."""
        return f"lagged in {frame.room}: {frame.from_seq + 1} to {frame.to_seq} come now"

    def status(self, said: SaidStatus) -> str:
        """How available somebody says they are."""
        return said.state + "".join(f" {_value(value)}" for value in (said.mood, said.text) if value)

    def signal(self, signal: Signal) -> str:
        """An unnumbered fact."""
        match signal:
            case TypingSignal():
                state = f"for {signal.expires_seconds:g} s" if signal.active else "no longer"
                return f"{signal.room}: {signal.user} is typing, {state}"
            case ReceiptSignal():
                return f"{signal.room}: {signal.user} has read to {signal.read}, received to {signal.delivered}"
            case PresenceSignal():
                anew = "anew, " if signal.anew else ""
                return f"{signal.room}: {anew}{self._changes(signal)}; {signal.online_count} there"
            case _:
                return f"{signal.signal}{self._fields(signal)}"

    def question(self, query: SnapshotQuery | LookupQuery | TargetQuery | HoleQuery) -> str:
        """What history is asked through the log."""
        match query:
            case SnapshotQuery():
                return f"for all of {query.room}"
            case LookupQuery():
                return f"whether {query.command_id} of {query.actor} was applied in {query.room}"
            case TargetQuery():
                return f"about message {query.seq} of {query.room} and the reactions of {query.actor}"
            case HoleQuery():
                return f"for {query.room} from {query.after + 1} on"

    def inspection(self, found: Inspection) -> str:
        """What an operator sees of a room."""
        gates = " ".join(f"{each.gate}({each.sessions})" for each in found.gates) or "none"
        owed = f", owed by {' '.join(found.rosters_owed)}" if found.rosters_owed else ""
        counts = plural(found.members, "member"), plural(found.bans, "ban"), plural(found.invites, "invite")
        return (
            f"{found.room} at {self.epoch(found.epoch)}/{found.seq}, writer {found.writer}, fence {found.fence}; "
            f"{', '.join(counts)}; {found.online} there, sessions at gates: {gates}{owed}"
        )

    def state(self, state: RoomState) -> list[str]:
        """A room as history folded it."""
        closed = ", closed" if state.closed else ""
        return [
            f'{state.room} at {self.epoch(state.epoch)}/{state.seq}: "{state.title}", {state.visibility}{closed}',
            *(f"member {self._member(member)}" for member in state.members),
            *(f"ban {ban.user}{self._fields(ban, 'user')}" for ban in state.bans),
            *(self._invite(invite) for invite in state.invites),
        ]

    def answer(self, answer: QueryAnswer) -> list[str]:
        """What a reader gets."""
        match answer:
            case PageAnswer():
                return [f"{self.event(event)}" for event in answer.events] or [
                    f"nothing, {answer.room} is at {answer.head}"
                ]
            case RoomsAnswer():
                return [self._view(view) for view in answer.rooms] or ["no rooms"]
            case MembersAnswer():
                return [f"{member.user} {member.role}" for member in answer.members]
            case SearchAnswer():
                return [self.event(event) for event in answer.events] or ["nothing found"]
            case Refused():
                return [self.refused(answer)]
            case _:
                raise AssertionError(f"no story reads a {answer.type}")

    def _view(self, view: RoomView) -> str:
        unread = f", {view.unread} unread" if view.unread is not None else ""
        preview = f", last {_value(view.preview)}" if view.preview else ""
        return f"{view.room} at {view.seq}, {plural(view.member_count, 'member')}{unread}{preview}"

    def _member(self, member: MemberState) -> str:
        return f"{member.user} {member.role}{self._fields(member, 'user', 'role', 'joined_at')}"

    def _invite(self, invite: InviteState) -> str:
        uses = f"{invite.uses} of {invite.max_uses}" if invite.max_uses else f"{invite.uses}"
        return f"invite {invite.invite} for a {invite.role} until {clock(invite.expires_at)}, used {uses}"

    def _changes(self, signal: PresenceSignal) -> str:
        if not signal.changes:
            return "nobody is named"
        return ", ".join(
            f"{change.user} is {change.state}"
            + "".join(f" {_value(value)}" for value in (change.mood, change.text) if value)
            + (f" ({change.reason})" if change.reason else "")
            for change in signal.changes
        )

    def _fields(self, model: Any, *unsaid: str) -> str:
        said = [f"{name}={_quoted(name, value)}" for name, value in _told(model) if name not in unsaid]
        return f": {' '.join(said)}" if said else ""


def _told(model: Any) -> Iterable[tuple[str, Any]]:
    """The fields that say something: neither absent nor as they are by default."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        usual = USUAL.get(name) if field.is_required() else field.default
        if name not in UNSAID and value is not None and value != usual:
            yield name, value


def _quoted(name: str, value: Any) -> str:
    return to_json(value).decode() if name in PROSE else _value(value)


def _value(value: Any) -> str:
    match value:
        case datetime():
            return clock(value)
        case tuple():
            return ",".join(_value(each) for each in value)
        case bool():
            return "yes" if value else "no"
        case str() if value and all(sign.isalnum() or sign in "-_.:+" for sign in value):
            return str(value)
        case _ if hasattr(value, "user") and hasattr(value, "role"):
            return f"{value.user}({value.role})"
        case _ if hasattr(value, "emoji"):
            return f"{value.emoji}x{value.count}"
        case _:
            return to_json(value).decode()
