"""The one command publisher of all doors: what is in flight, how its answer is found, and what happens without one.

An answer comes by reply, or rides on the fan-out as the sender's own event (`take`). Rules live in the room alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from schemas import routes
from schemas.answers import ANSWER, Accepted, Answer, Refused
from schemas.commands import Attach, Command
from schemas.errors import Code
from schemas.fanout import FanoutHeaders
from schemas.ids import CommandId, RoomId, UserId
from services.gateway.limits import Counts, Limit
from services.gateway.metrics import Metrics
from services.gateway.recent_writes import RecentWrites
from services.gateway.refusals import overloaded, queue_full
from services.runtime.rpc import NOT_SENT, Call, NotTaken, OnConfirm, Rpc

log = structlog.get_logger()

TOO_MANY_OF_USER: Final = "too many of your commands are in flight, on all your connections together"


class Asker(Protocol):
    """Whoever waits for a command's answer; told once."""

    def receive_answer(self, answer: Answer) -> None:
        """The answer. Must not raise."""

    def encode_accepted(self, accepted: Accepted) -> bytes:
        """The answer as WebSocket bytes, written in place of the sender's own event; counts as told."""


Key = tuple[str, RoomId, CommandId]


@dataclass(slots=True)
class Pending:
    """A command without an answer yet. Times are monotonic seconds; `call` is None while the link is away."""

    command: Command
    asker: Asker
    started: float
    call: Call | None = None
    retried: bool = False

    @property
    def is_of_user(self) -> bool:
        """Whether a user wishes this; `attach` is the gate's own question."""
        return not isinstance(self.command, Attach)

    @property
    def key(self) -> Key:
        """Two commands of one key are the same wish."""
        return key_of(self.command.client or self.command.actor, self.command.room, self.command.command_id)


def key_of(owner: str, room: RoomId, command_id: CommandId) -> Key:
    """`owner` is the client where there is one, else the actor."""
    return owner, room, command_id


class Commands:
    """Publishes commands and finds their answers; bounded in number and time.

    `link_up` and `link_down` tell it of the connection; `sweep` must be called from time to time.
    """

    def __init__(
        self,
        *,
        in_flight_limit: int,
        in_flight_per_user: int,
        timeout_seconds: float,
        clock: Callable[[], float],
        metrics: Metrics,
        writes: RecentWrites,
    ) -> None:
        self._in_flight_limit = in_flight_limit
        self._of_user = Counts(in_flight_per_user)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._metrics = metrics
        self._writes = writes
        self._rpc: Rpc | None = None
        self._pending: dict[Key, Pending] = {}

    def link_up(self, rpc: Rpc) -> None:
        """The broker is there: what lost its link is sent once more, flagged as a retry (I2 keeps it harmless)."""
        self._rpc = rpc
        for pending in [p for p in self._pending.values() if p.call is None]:
            pending.command = pending.command.model_copy(update={"retry": True})
            refusal = self._send(pending)
            if refusal is not None:
                self._finish(pending, refusal)

    def link_down(self) -> None:
        """The broker is away: new commands are refused at once."""
        self._rpc = None

    @property
    def blocked(self) -> bool:
        """The broker is there and takes nothing: an alarm blocks publishing."""
        return self._rpc is not None and self._rpc.blocked

    @property
    def available(self) -> bool:
        """The broker is there and takes what is sent."""
        return self._rpc is not None and not self._rpc.blocked

    @property
    def in_flight(self) -> int:
        """Commands without an answer yet."""
        return len(self._pending)

    def submit(self, command: Command, asker: Asker) -> Refused | None:
        """Send a command. None: it is under way and `asker` will be told; a refusal: nothing was sent."""
        pending = Pending(command, asker, self._clock())
        if pending.key in self._pending:
            return Refused.of(Code.DUPLICATE_IN_FLIGHT, command_id=command.command_id)
        limit = self._limit_reached(command)
        if limit is not None:
            self._metrics.limits_hit.labels(limit.value).inc()
            return overloaded(command, TOO_MANY_OF_USER if limit is Limit.IN_FLIGHT_PER_USER else None)
        refusal = self._send(pending)
        if refusal is None:
            self._pending[pending.key] = pending
            if pending.is_of_user:
                self._of_user.take(command.actor)
        return refusal

    def _limit_reached(self, command: Command) -> Limit | None:
        if len(self._pending) >= self._in_flight_limit:
            return Limit.IN_FLIGHT_PER_GATE
        return Limit.IN_FLIGHT_PER_USER if self._of_user.is_full(command.actor) else None

    async def ask(self, command: Command) -> Answer:
        """Send a command and wait for its answer; the bound is the publisher's own."""
        asker = _Waiting(asyncio.get_running_loop().create_future())
        refusal = self.submit(command, asker)
        return refusal if refusal is not None else await asker.answer

    def post(self, command: Command, on_confirm: OnConfirm) -> bool:
        """Send a command that has no answer (`detach`); False when nothing can be sent now. `on_confirm` hears whether
        the broker took it, unless the link goes first."""
        with suppress(*NOT_SENT):
            if self._rpc is not None:
                key = routes.command_key(command.room, command.type)
                self._rpc.post(routes.COMMANDS, key, command.to_json(), persistent=True, on_confirm=on_confirm)
                return True
        return False

    def post_fanout(self, key: str, headers: FanoutHeaders) -> None:
        """Send a body-less delivery through the fan-out; lost when the broker is away."""
        with suppress(*NOT_SENT):
            if self._rpc is not None:
                self._rpc.post(routes.FANOUT, key, b"", headers=headers.to_headers([]))

    def take(self, owner: str, room: RoomId, command_id: CommandId) -> Pending | None:
        """The pending command whose answer came by the fan-out; it is in flight no longer."""
        pending = self._pending.get(key_of(owner, room, command_id))
        if pending is not None:
            self._close(pending, "accepted")
        return pending

    def accept(self, accepted: Accepted, owner: str) -> tuple[Asker, bytes] | None:
        """Turn the sender's own event into its answer: who gets it, and its WebSocket bytes."""
        pending = self.take(owner, accepted.room, accepted.command_id)
        if pending is None:
            return None
        self._writes.note(pending.command.actor, accepted.room, accepted.seq)
        return pending.asker, pending.asker.encode_accepted(accepted)

    def waiting_in(self, room: RoomId) -> dict[tuple[UserId, CommandId], str]:
        """Who waits for an answer: the owner (see `key_of`) of each command in the room, by what its event names."""
        pending = (one for one in self._pending.values() if one.command.room == room)
        return {(one.command.actor, one.command.command_id): one.key[0] for one in pending}

    def sweep(self) -> None:
        """Answer what waited too long. Pending commands stand in the order of their start."""
        latest = self._clock() - self._timeout_seconds
        late = []
        for pending in self._pending.values():
            if pending.started > latest:
                break
            late.append(pending)
        for pending in late:
            log.info("command_unanswered", verb=pending.command.type, command_id=pending.command.command_id)
            self._finish(pending, _no_answer(pending))
        self._metrics.in_flight.set(len(self._pending))

    def _send(self, pending: Pending) -> Refused | None:
        command = pending.command
        if self._rpc is None:
            return overloaded(command, "the broker is away")
        key = routes.command_key(command.room, command.type)
        try:
            call = self._rpc.send(routes.COMMANDS, key, command.to_json(), persistent=True)
        except NOT_SENT as error:
            return overloaded(command, str(error))
        pending.call = call
        call.answer.add_done_callback(lambda answer: self._receive(pending, call, answer))
        return None

    def _receive(self, pending: Pending, call: Call, answer: asyncio.Future[bytes]) -> None:
        if pending.call is not call or answer.cancelled():
            return
        error = answer.exception()
        if error is None:
            self._finish(pending, _parsed(answer.result(), pending.command))
        elif isinstance(error, NotTaken):
            self._finish(pending, queue_full(pending.command, str(error)))
        elif pending.retried:
            self._finish(pending, _no_answer(pending))
        else:
            pending.call, pending.retried = None, True

    def _finish(self, pending: Pending, answer: Answer) -> None:
        if self._pending.get(pending.key) is not pending:
            return
        self._close(pending, answer.code.value if isinstance(answer, Refused) else "accepted")
        if isinstance(answer, Accepted):
            self._writes.note(pending.command.actor, answer.room, answer.seq)
        pending.asker.receive_answer(answer)

    def _close(self, pending: Pending, outcome: str) -> None:
        del self._pending[pending.key]
        if pending.is_of_user:
            self._of_user.release(pending.command.actor)
        if pending.call is not None and self._rpc is not None:
            self._rpc.forget(pending.call)
        pending.call = None
        seconds = self._clock() - pending.started
        self._metrics.command_seconds.labels(pending.command.type, outcome).observe(seconds)


class _Waiting:
    """An asker that a coroutine awaits."""

    def __init__(self, answer: asyncio.Future[Answer]) -> None:
        self.answer = answer

    def receive_answer(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def encode_accepted(self, accepted: Accepted) -> bytes:
        self.receive_answer(accepted)
        return b""


def _no_answer(pending: Pending) -> Refused:
    return Refused.of(Code.NO_ANSWER, command_id=pending.command.command_id)


def _parsed(body: bytes, command: Command) -> Answer:
    try:
        return ANSWER.validate_json(body)
    except ValidationError:
        log.exception("answer_malformed", verb=command.type, command_id=command.command_id)
        return Refused.of(Code.INTERNAL, command_id=command.command_id)
