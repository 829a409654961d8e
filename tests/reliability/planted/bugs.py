"""Bugs to plant into workers, each one that a promise of ours forbids. A run with one of them must be found bad.

Each reaches into the worker's own code as it stands, and fails loudly when what it replaces is not there any more.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from schemas import routes
from tests.reliability.checks.anomalies import Anomaly
from tests.reliability.nemesis.schedule import Kind

if TYPE_CHECKING:
    from services.runtime.confirms import OnEnd
    from services.runtime.frames import Envelope

ROOM, GATEWAY, HISTORY = "room", "gateway", "history"


class Bug(NamedTuple):
    """`kinds` of worker have it; under `faults`, one after the other, it shows as one of `shows_as` at least."""

    words: str
    kinds: frozenset[str]
    plant: Callable[[], None]
    shows_as: frozenset[Anomaly]
    faults: tuple[Kind, ...] = ()


def _replace(owner: Any, name: str, replacement: Any) -> Any:  # Any: a class or a module, and what it holds
    """Put something else in the place of what `owner` itself has under that name; what was there.

    Raises:
        AttributeError: there is no such thing.
    """
    if name not in vars(owner):
        raise AttributeError(f"{owner.__name__} has no {name} that could be replaced")
    was = getattr(owner, name)
    setattr(owner, name, replacement)
    return was


def _ack_before_confirm() -> None:
    from services.room.line import Line  # noqa: PLC0415 - a worker imports what it is broken in, and no more
    from services.room.term import Term  # noqa: PLC0415

    def hasty(self: Any, effects: Any, *, confirmed: bool) -> Any:
        return append(self, effects, confirmed=True)

    def at_once(self: Any, outcome: Any) -> None:
        note(self, outcome)
        self._settled.set()

    append = _replace(Line, "append", hasty)
    note = _replace(Term, "_append", at_once)


def _ignore_fence(*moments: str) -> None:
    """With a stale writer in the room, without whom no fence is ever wanted."""
    from services.history.intake import _Sorting  # noqa: PLC0415

    def unfenced(self: Any, known: Any) -> None:
        begin(self, dataclasses.replace(known, fences={}))

    begin = _replace(_Sorting, "__init__", unfenced)
    _write_stale(*moments)


QUESTION, FIRST_EVENT = "snapshot", "event"


def _write_stale(*moments: str) -> None:
    """A worker that remembers the last message it wrote in each room, and has one more to write when its successor is
    there: behind the `QUESTION` by which that one asks history for the room, which is the worst moment there is, or
    behind the `FIRST_EVENT` it writes there.

    It goes out on the successor's own channel, which is what puts it there for certain."""
    from services.runtime.confirms import Publisher  # noqa: PLC0415

    latest: dict[str, tuple[dict[str, Any], Envelope]] = {}
    haunted: dict[str, tuple[dict[str, Any], Envelope]] = {}
    tops: dict[str, int] = {}

    def haunting(self: Any, exchange: str, key: str, body: bytes, envelope: Envelope, on_end: OnEnd) -> None:
        put(self, exchange, key, body, envelope, on_end)
        if exchange != routes.LOG:
            return
        written = json.loads(body)
        room, kind = written["room"], written["type"]
        if kind == FIRST_EVENT:
            tops[room] = written["seq"]
        elif kind == QUESTION and room in latest:
            haunted[room] = latest.pop(room)
        if kind in moments and room in haunted:
            message, as_then = haunted[room]
            stale = _one_more(message, tops[room] + 1)
            put(self, exchange, routes.log_key(room, stale["event"]), json.dumps(stale).encode(), as_then, _unheard)
        if kind == FIRST_EVENT:
            haunted.pop(room, None)
        if written.get("event") == "message_posted":
            latest[room] = written, envelope

    put = _replace(Publisher, "put", haunting)


def _one_more(message: dict[str, Any], seq: int) -> dict[str, Any]:
    """What the writer of a message, under its fence, would have written next."""
    number = int(message["message_id"].removeprefix("msg_")) + 1
    return message | {"seq": seq, "command_id": f"stale-{seq}", "message_id": f"msg_{number}"}


def _unheard(_: object) -> None:
    """A stale writer is gone before the log confirms."""


def _forget_retries() -> None:
    from services.room.barrier import BarrierQueries  # noqa: PLC0415
    from services.room.recent import Recent  # noqa: PLC0415

    async def never_seen(self: Any, *_: Any, **__: Any) -> None:
        return None

    _replace(Recent, "find", lambda self, actor, command_id: None)  # noqa: ARG005
    _replace(BarrierQueries, "lookup", never_seen)


def _deliver_out_of_order() -> None:
    from services.gateway.audience import Audience  # noqa: PLC0415
    from services.gateway.ring import Numbered  # noqa: PLC0415

    late: dict[Any, Any] = {}

    def swapping(self: Any, event: Any, **options: Any) -> None:
        held = late.pop(self, None)
        if held is None and event.own is None and event.expel is None and event.seq % 10 == 0:
            late[self] = event
            self.top = event.seq
            self._ring.append(Numbered(event.seq, event.frame))
            return
        push(self, event, **options)
        if held is not None:
            self._burst.add_event(held.seq, held.frame)

    push = _replace(Audience, "push", swapping)


def _deliver_twice() -> None:
    from services.gateway.burst import Burst  # noqa: PLC0415

    def doubling(self: Any, seq: int, frame: bytes) -> None:
        add(self, seq, frame)
        if seq % 10 == 0:
            add(self, seq, frame)

    add = _replace(Burst, "add_event", doubling)


def _change_texts() -> None:
    from services.gateway.burst import Burst  # noqa: PLC0415

    def changing(self: Any, seq: int, frame: bytes) -> None:
        add(self, seq, frame.replace(b" says ", b" lies ") if seq % 10 == 0 else frame)

    add = _replace(Burst, "add_event", changing)


def _skip_gaps() -> None:
    from services.gateway.feed import Feed  # noqa: PLC0415
    from services.gateway.session import LiveEvent  # noqa: PLC0415

    def careless(self: Any, item: Any) -> None:
        if isinstance(item, LiveEvent) and item.seq > self.audience.top + 1:
            self.audience.flush()
            self.audience.top = item.seq - 1
            self.audience._ring.clear()
        follow(self, item)

    def filled_with_nothing(self: Any) -> None:
        first = self._hold.first
        through = first.seq - 1 if isinstance(first, LiveEvent) else first.through
        if through > self.audience.top:
            self.audience.flush()
            self.audience.top = through
            self.audience._ring.clear()
        self._release()

    follow = _replace(Feed, "_follow", careless)
    _replace(Feed, "_fill", filled_with_nothing)


def _lose_events() -> None:
    from services.history.intake import Stored  # noqa: PLC0415
    from services.history.writer import ShardWriter  # noqa: PLC0415

    async def losing(self: Any, batch: list[Any]) -> list[Any]:
        kept = [logged for logged in batch if getattr(logged.entry, "seq", 0) != 15]
        outcomes = iter(await append(self, kept) if kept else [])
        return [next(outcomes) if logged in kept else Stored() for logged in batch]

    append = _replace(ShardWriter, "_append", losing)


def _keep_who_left() -> None:
    from services.gateway.audience import Audience  # noqa: PLC0415

    _replace(Audience, "_expel", lambda self, gone, *, tell_room: None)  # noqa: ARG005


def _keep_ghosts() -> None:
    from services.room.gates import Gates  # noqa: PLC0415

    _replace(Gates, "expire", lambda self, now: [])  # noqa: ARG005


def _miscount() -> None:
    from services.history import queries  # noqa: PLC0415

    count = _replace(queries, "unread", lambda room, *counted: count(room, *counted) + 1)


def _swallow() -> None:
    from services.room.effects import Outcome  # noqa: PLC0415
    from services.room.term import Term  # noqa: PLC0415

    def swallowing(self: Any, delivery: Any) -> None:
        body = delivery.body
        command_id = json.loads(body).get("command_id", "") if body.startswith(b'{"') else ""
        if b'"send"' in body and zlib.crc32(command_id.encode()) % 40 == 0 and self.is_active:
            self._acks.receive(delivery.delivery_tag)
            self._hall.rosters.receive_delivery(delivery.delivery_tag)
            self._append(Outcome(tag=delivery.delivery_tag))
        else:
            receive(self, delivery)

    receive = _replace(Term, "_receive", swallowing)


def _show_everybody() -> None:
    from services.history import queries  # noqa: PLC0415

    _replace(queries, "may_read", lambda room, standing: True)  # noqa: ARG005


def _kinds(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


def _shows(*anomalies: Anomaly) -> frozenset[Anomaly]:
    return frozenset(anomalies)


BUGS: Final[dict[str, Bug]] = {
    "acks before the confirm": Bug(
        "the room answers and fans out before the log has confirmed",
        _kinds(ROOM),
        _ack_before_confirm,
        _shows(Anomaly.LOST, Anomaly.MOVED, Anomaly.PHANTOM, Anomaly.SPLIT),
        (Kind.FULL_LOG, Kind.FULL_LOG),
    ),
    "ignores the fence": Bug(
        "a stale writer writes before its successor does, and history takes it",
        _kinds(ROOM, HISTORY),
        partial(_ignore_fence, QUESTION),
        _shows(Anomaly.LOST, Anomaly.MOVED, Anomaly.SPLIT, Anomaly.CONTRADICTION),
        (Kind.CUT_ROOM,) * 3,
    ),
    "ignores the fence later": Bug(
        "a stale writer writes behind its successor's first event, and history takes it",
        _kinds(ROOM, HISTORY),
        partial(_ignore_fence, FIRST_EVENT),
        _shows(Anomaly.STALE_WRITER),
        (Kind.CUT_ROOM,) * 3,
    ),
    "skips the retry lookup": Bug(
        "a command that comes again is taken for a new one",
        _kinds(ROOM),
        _forget_retries,
        _shows(Anomaly.APPLIED_TWICE),
    ),
    "delivers out of order": Bug(
        "a gate pushes an event behind the one after it",
        _kinds(GATEWAY),
        _deliver_out_of_order,
        _shows(Anomaly.HOLE),
    ),
    "delivers twice": Bug("a gate pushes an event twice", _kinds(GATEWAY), _deliver_twice, _shows(Anomaly.REPEAT)),
    "changes texts": Bug("a gate pushes another text", _kinds(GATEWAY), _change_texts, _shows(Anomaly.PHANTOM)),
    "skips gaps": Bug(
        "a gate goes on behind a gap",
        _kinds(GATEWAY),
        _skip_gaps,
        _shows(Anomaly.HOLE),
        (Kind.CUT_GATE, Kind.CUT_GATE),
    ),
    "loses events": Bug(
        "history acks an event that it has not stored",
        _kinds(HISTORY),
        _lose_events,
        _shows(Anomaly.LOST, Anomaly.STORED_HOLE),
    ),
    "keeps who left": Bug(
        "a gate goes on pushing to who is no member any longer", _kinds(GATEWAY), _keep_who_left, _shows(Anomaly.LEAK)
    ),
    "keeps ghosts": Bug(
        "the room never gives up the sessions of a gate that is gone",
        _kinds(ROOM),
        _keep_ghosts,
        _shows(Anomaly.WRONG_PRESENCE),
        (Kind.KILL_GATE,) * 3,
    ),
    "miscounts": Bug(
        "history counts unread messages wrongly", _kinds(HISTORY), _miscount, _shows(Anomaly.WRONG_UNREAD)
    ),
    "swallows commands": Bug(
        "the room acks some commands and does nothing", _kinds(ROOM), _swallow, _shows(Anomaly.STUCK)
    ),
    "shows everybody": Bug(
        "history answers reads without a look at who is a member",
        _kinds(HISTORY),
        _show_everybody,
        _shows(Anomaly.LEAK),
    ),
    "writes stale": Bug(
        "a stale writer writes at both moments, and the fence holds",
        _kinds(ROOM),
        partial(_write_stale, QUESTION, FIRST_EVENT),
        frozenset(),
        (Kind.CUT_ROOM,) * 3,
    ),
}
"""The last one is the counterpart of those that ignore the fence: with the fence nothing comes of it."""
