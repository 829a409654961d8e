"""The gate itself: it carries out what the hub decides and owns every connection, timer and short task.

Doors and links call in here; nothing here knows a socket or an AMQP channel.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from secrets import token_hex, token_urlsafe
from typing import Any, Final, assert_never

import structlog

from schemas.answers import Accepted, Answer, AttachAnswer, Refused
from schemas.commands import Attach
from schemas.commands import Session as SessionOfRoom
from schemas.errors import ERRORS, Code
from schemas.ids import ClientId, CommandId, Epoch, GateId, RoomId, UserId
from schemas.signals import ServiceSignal
from services.gateway.addresses import UNKNOWN
from services.gateway.commands import Commands
from services.gateway.connection import Connection, Socket
from services.gateway.deadlines import Deadlines
from services.gateway.departures import Departures
from services.gateway.hub import Hub
from services.gateway.keys import KeyKeeper, make_verifier
from services.gateway.limits import Limit
from services.gateway.metrics import Metrics
from services.gateway.queries import Fetched, Queries
from services.gateway.recent_writes import RecentWrites
from services.gateway.session import Ask, Deed, Effect, Ended, FellBehind, Fill, Own, Replay, Session, Write
from services.gateway.settings import GatewaySettings
from services.gateway.tally import REPLAYS, Count, Tally
from services.gateway.tokens import Identity, KeyUnknown, TokenRefused, Verdict
from services.gateway.visitors import TurnedAway, Visitors
from services.gateway.wire import text_frame
from services.gateway.writes import take_writes, writes_to_make
from services.runtime.broker import wait_or
from services.runtime.rpc import Rpc

log = structlog.get_logger()

TICK_SECONDS: Final = 0.25
SWEEP_SECONDS: Final = 1.0
GAP_ANSWERS: Final = 3
"""A gap is given up after so many times as long as one answer of history may take."""
AGAIN_SECONDS: Final = 0.5
"""Between two questions, where the first was not answered."""


class Gate:
    """One running gateway. `run` must be going for timers and tasks to live."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.gate_id = GateId(settings.gate_id or f"g{token_hex(6)}")
        self.clock = clock
        self.wall_clock = wall_clock
        self.patience = settings.patience
        self.metrics = Metrics()
        self.verifier = make_verifier(settings)
        self.keys = KeyKeeper(settings, self.verifier, self.metrics)
        self.visitors = Visitors(settings.visitor_limits)
        self.writes = RecentWrites()
        self.hub = Hub(settings.feed_limits)
        self.commands = Commands(
            in_flight_limit=settings.in_flight_per_gate,
            in_flight_per_user=settings.in_flight_per_user,
            timeout_seconds=settings.command_seconds,
            clock=clock,
            metrics=self.metrics,
            writes=self.writes,
        )
        self.queries = Queries(timeout_seconds=settings.query_seconds, hole_seconds=settings.hole_seconds)
        self.connections: dict[ClientId, Connection] = {}
        self._departures = Departures(self.gate_id, self.commands, self.new_command_id)
        self.draining = False
        self._deadlines: Deadlines[Connection] = Deadlines(TICK_SECONDS)
        self._replays = asyncio.Semaphore(settings.replays_at_once)
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._effects: deque[Effect] = deque()
        self._reattach_due = False
        self._counted = Tally()
        self._sweep_due = 0.0
        self._numbers = 0
        self._service = True

    async def run(self, stopping: asyncio.Event) -> None:
        """Own the short tasks and look at the clock until `stopping` is set."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while not stopping.is_set():
                self.tick()
                await wait_or(stopping, TICK_SECONDS)
            self._group = None
            for task in self._tasks:
                task.cancel()

    # Ids and time.

    def new_command_id(self) -> CommandId:
        """An id for a command whose sender named none."""
        self._numbers += 1
        return CommandId(f"{self.gate_id[:40]}-{self._numbers}")

    def look_at(self, connection: Connection, at: float) -> None:
        """Check this connection at that monotonic time."""
        self._deadlines.set(connection, at)

    def tick(self) -> None:
        """Everything that has a time: one look at the due connections, at late commands, at open questions."""
        now = self.clock()
        for connection in self._deadlines.take_due(now):
            self.look_at(connection, connection.check(now, self.wall_clock()))
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP_SECONDS
            self.commands.sweep()
            self.visitors.sweep(now)
            self._departures.post()
            self.hub.ask_again()
            self.metrics.sessions.set(self.hub.session_count)
            self._count()
            self._reattach_where_due()
        self.carry_out()

    # The link that publishes.

    def link_up(self, rpc: Rpc) -> None:
        """The broker is there: what lost its link goes out again, attaches before detaches."""
        self.commands.link_up(rpc)
        self.queries.link_up(rpc)
        self._departures.post()

    def link_down(self) -> None:
        """The broker is away."""
        self.commands.link_down()
        self.queries.link_down()
        self._departures.link_down()
        self.announce_service(available=False)

    def link_blocked(self) -> None:
        """An alarm of the broker blocks publishing: what is wished meanwhile is refused. Pushes go on."""
        self.announce_service(available=False)

    # Identity and limits.

    def identify(self, token: str) -> Verdict:
        """Who a token speaks for, now; unless it names a key that is not here."""
        verdict = self.verifier.verify(token, self.wall_clock())
        self.metrics.tokens.labels(_outcome(verdict)).inc()
        return verdict

    async def identify_by_newer_keys(self, token: str) -> Identity | TokenRefused:
        """Who a token speaks for whose key was not here: bounded by `jwt_key_wait_seconds`."""
        looked = await self.keys.look_again()
        verdict = self.identify(token)
        if not isinstance(verdict, KeyUnknown):
            return verdict
        if looked:
            return TokenRefused(Code.UNAUTHENTICATED, "the token is not valid: nobody knows its key")
        return TokenRefused(Code.KEYS_UNAVAILABLE, ERRORS[Code.KEYS_UNAVAILABLE].message)

    def admit(self, address: str) -> TurnedAway | None:
        """Whether this address may open one more connection: asked once for each handshake."""
        turned_away = self.visitors.admit(address, self.clock())
        if turned_away is not None:
            self.hit(turned_away.limit)
        return turned_away

    def ask(self, user: UserId) -> float:
        """The user wants something, by whatever door: 0, or the seconds until they may."""
        wait = self.visitors.ask(user, self.clock())
        if wait > 0:
            self.hit(Limit.RATE_PER_USER)
        return wait

    def hit(self, limit: Limit) -> None:
        """Somebody is refused something because of this limit."""
        self.metrics.limits_hit.labels(limit.value).inc()

    # Connections.

    def connect(self, socket: Socket, address: str = UNKNOWN) -> Connection:
        """A client is here, which was admitted in this very moment; who it is comes later."""
        self.visitors.enter(address)
        client = ClientId(f"{self.gate_id}/{token_urlsafe(9)}")
        connection = Connection(self, client, socket, self.clock(), address)
        self.connections[connection.client] = connection
        self.metrics.connections.set(len(self.connections))
        self.look_at(connection, connection.check(self.clock(), self.wall_clock()))
        return connection

    def disconnect(self, connection: Connection) -> None:
        """The client is gone: its sessions end."""
        connection.fall_silent()
        self._deadlines.drop(connection)
        if self.connections.pop(connection.client, None) is not None:
            self.visitors.leave(connection.address)
            if connection.identity is not None:
                self.visitors.give_place(connection.identity.user)
            self.metrics.connections.set(len(self.connections))
            self.detach(list(connection.sessions.values()))
            connection.sessions.clear()

    @property
    def service_available(self) -> bool:
        """What clients were last told of the broker."""
        return self._service

    def announce_service(self, *, available: bool) -> None:
        """Tell every client that the broker went, or came back; said once for each change. It is not back before
        commands can be sent."""
        if available == self._service or (available and not self.commands.available):
            return
        self._service = available
        code = None if available else Code.OVERLOADED
        frame = text_frame(ServiceSignal(available=available, code=code).to_json())
        for connection in self.connections.values():
            if connection.identity is not None:
                connection.write(frame)

    # Sessions.

    def attach(self, session: Session) -> None:
        """A client wants a room."""
        self.hub.attach(session)
        self.carry_out()

    def detach(self, sessions: Iterable[Session]) -> None:
        """Clients want rooms no longer; the rooms are told."""
        for session in sessions:
            self.hub.detach(session.room, session.client)
            self._departures.tell(session)
        self.carry_out()

    def accept(self, accepted: Accepted, owner: ClientId) -> tuple[Connection, bytes] | None:
        """The sender's own event arrived: its connection, and the answer that stands in the event's place."""
        found = self.commands.accept(accepted, owner)
        connection = self.connections.get(owner)
        return (connection, found[1]) if found is not None and connection is not None else None

    def receive_attached(self, answer: AttachAnswer) -> None:
        """A room answered one of our questions, through our own queue. Whom it took though the client has gone
        meanwhile is taken back."""
        pending = self.commands.take(self.gate_id, answer.room, answer.command_id)
        self.hub.receive_attached(answer)
        if pending is not None and isinstance(pending.command, Attach):
            refused = {one.session.client for one in answer.refused}
            for one in pending.command.sessions:
                if one.client not in refused and not self.hub.has(answer.room, one.client):
                    self._departures.take_back(answer.room, one)

    def catch_up(self, connection: Connection) -> None:
        """The client took what waited: what its sessions missed goes out, room by room, while there is a place."""
        while not connection.backlog.paused and (session := connection.next_lagging()) is not None:
            self.hub.catch_up(session)
            self.carry_out()

    def carry_out(self) -> None:
        """Do what the hub decided, in order, until nothing is left to do. What stands behind a failure stays for the
        next time."""
        self._effects.extend(self.hub.take())
        while self._effects:
            if writes := take_writes(self._effects):
                self._push_all(writes)
            elif not isinstance(effect := self._effects.popleft(), Write):
                self._carry_out(effect)
            if not self._effects:
                self._effects.extend(self.hub.take())

    def reattach_soon(self) -> None:
        """A delivery may have been lost inside: ask every room about its sessions, once for all such losses."""
        self._reattach_due = True

    def _reattach_where_due(self) -> None:
        if self._reattach_due:
            self._reattach_due = False
            self.hub.reattach()

    def _count(self) -> None:
        fresh = self.hub.tally - self._counted
        self._counted = self.hub.tally.copy()
        self.metrics.gaps.inc(fresh[Count.GAP])
        self.metrics.lags.inc(fresh[Count.LAG])
        for source in REPLAYS:
            self.metrics.replays.labels(source.value).inc(fresh[source])

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:  # Any: a coroutine yields what its loop wants
        """Run something short; the gate owns it. Nothing is started once the gate has stopped."""
        if self._group is None:
            work.close()
            return
        task = self._group.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _carry_out(self, effect: Deed) -> None:
        match effect:
            case Ask():
                self._ask(effect)
            case Fill():
                self.spawn(self._fill(effect))
            case Replay():
                self.spawn(self._replay(effect))
            case Ended(session, tell_room):
                session.outlet.forget(session)
                if tell_room:
                    self._departures.tell(session)
            case FellBehind(session):
                session.outlet.fall_behind(session)
            case _:
                assert_never(effect)

    def _push_all(self, writes: Sequence[Write]) -> None:
        making = writes_to_make(writes)
        for write in making:
            others = iter(write.outlets)
            try:
                for outlet in others:
                    outlet.write(write.data)
            except BaseException:
                self._effects.extendleft(reversed([write._replace(outlets=tuple(others)), *making]))
                raise
        self.metrics.pushes.inc(sum(write.frames * len(write.outlets) for write in writes))
        self.metrics.push_bytes.inc(sum(len(write.data) * len(write.outlets) for write in writes))

    def _ask(self, ask: Ask) -> None:
        for session in ask.sessions:
            self._departures.drop(session.room, session.client)
        command = Attach(
            room=ask.room,
            actor=UserId(self.gate_id),
            command_id=ask.command_id,
            sessions=tuple(_told_to_room(session) for session in ask.sessions),
        )
        refusal = self.commands.submit(command, _HubAsker(self, ask))
        if refusal is not None:
            self.hub.receive_refusal(ask.room, ask.command_id, refusal)

    async def _fill(self, fill: Fill) -> None:
        events = None
        with suppress(TimeoutError):
            async with asyncio.timeout(GAP_ANSWERS * self.settings.hole_seconds):
                events = await self._missing(fill.room, fill.epoch, fill.after, fill.through)
        log.info("gap_filled" if events is not None else "gap_given_up", room=fill.room, through=fill.through)
        owns = self._owns_among(fill.room, events or ())
        numbered = None if events is None else [one.numbered for one in events]
        if not self.hub.receive_gap(fill.room, fill.after, fill.through, numbered, owns):
            for own in owns.values():
                own.outlet.write(own.frame)
        self.carry_out()

    def _owns_among(self, room: RoomId, missed: Iterable[Fetched]) -> dict[int, Own]:
        """The answers to commands of this gate's clients that rode on events which got lost: nobody sends them anew."""
        waiting = self.commands.waiting_in(room)
        owns = {}
        for event, _ in missed:
            owner = waiting.get((event.actor, event.command_id))
            told = None if owner is None else self.accept(Accepted.of(event), ClientId(owner))
            if owner is not None and told is not None:
                owns[event.seq] = Own(ClientId(owner), *told)
        return owns

    async def _replay(self, replay: Replay) -> None:
        """Waiting for a turn and fetching share one bound: without history, attaches are answered all the same."""
        events = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.replay_seconds), self._replays:
                if self.hub.replay_from_ring(replay.session):
                    self.carry_out()
                    return
                events = await self._missing(replay.session.room, replay.epoch, replay.after, replay.through)
        self.hub.receive_replay(replay.session, None if events is None else [one.numbered for one in events])
        self.carry_out()

    async def _missing(self, room: RoomId, epoch: Epoch, after: int, through: int) -> list[Fetched] | None:
        """Ask until history says something. Whoever waits for it bounds it: a broker or a history that is away for
        moments costs nobody their place."""
        while True:
            found = await self.queries.missing(room, epoch, after, through, bytes_limit=self.settings.resume_bytes)
            if not isinstance(found, Refused):
                return found
            await asyncio.sleep(AGAIN_SECONDS)


class _HubAsker:
    """Gives the room's refusal of an `attach` to the hub; the answer itself comes through the gate's queue."""

    def __init__(self, gate: Gate, ask: Ask) -> None:
        self._gate = gate
        self._ask = ask

    def receive_answer(self, answer: Answer) -> None:
        if isinstance(answer, Refused):
            self._gate.hub.receive_refusal(self._ask.room, self._ask.command_id, answer)
            self._gate.carry_out()

    def encode_accepted(self, accepted: Accepted) -> bytes:
        raise AssertionError(f"an attach is never accepted by an event: {accepted.command_id}")


def _told_to_room(session: Session) -> SessionOfRoom:
    return SessionOfRoom(
        client=session.client,
        user=session.user,
        position=session.position,
        attach_ref=session.attach_ref,
        status=session.status,
    )


async def _logged(work: Coroutine[Any, Any, None]) -> None:  # Any: a coroutine yields what its loop wants
    try:
        await work
    except Exception:  # the outermost frame of a short task: its failure must not end the gate
        log.exception("task_failed", task=repr(work))


def _outcome(verdict: Verdict) -> str:
    match verdict:
        case Identity():
            return "accepted"
        case TokenRefused(code):
            return code.value
        case KeyUnknown():
            return "key_unknown"
        case _:
            assert_never(verdict)
