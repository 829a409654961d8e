"""Stand-ins for the room and history services, as the contract says they behave, with faults on demand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pamqp import commands

from schemas import routes
from schemas.answers import Accepted, AttachAnswer, MemberView, Refused, SessionRefused
from schemas.commands import (
    COMMAND,
    EVENTLESS_VERBS,
    Attach,
    Ban,
    Command,
    Create,
    Detach,
    Invite,
    Join,
    Kick,
    Leave,
    Send,
)
from schemas.errors import Code
from schemas.events import Event, Expulsion, InviteCreated, MemberBanned, MemberLeft, MessagePosted, expulsion
from schemas.fanout import FanoutHeaders, FanoutKind, RoomTop, RoomTops, roomless_headers
from schemas.ids import ClientId, Epoch, GateId, InviteId, MessageId, RoomId, UserId
from schemas.queries import (
    BARRIER,
    QUERY,
    BansAnswer,
    BansQuery,
    HoleQuery,
    InviteAnswer,
    InviteQuery,
    InvitesAnswer,
    InvitesQuery,
    MembersAnswer,
    MembersQuery,
    MessageAnswer,
    MessageQuery,
    MyRoomsQuery,
    PageAnswer,
    PageQuery,
    Query,
    QueryAnswer,
    RoomAnswer,
    RoomQuery,
    RoomsAnswer,
    RoomsQuery,
    RoomView,
    SearchAnswer,
    SearchQuery,
)
from schemas.roles import LeaveReason, Role, Visibility
from schemas.state import BanState, InviteState
from services.runtime.broker import connect, declare_topology, open_channel, properties_of

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class RoomStandIn:
    """Decides commands of one installation: members may attach and send; everything is fanned out to every gate that
    has attached. `lose` keeps fan-outs back, `mute` leaves commands unanswered, `refuse` answers a verb with a code.
    `blind` leaves reads unanswered until `see_again`. Who is `late` in a room is a member that history knows of only
    behind its log; who is `gone` from one is a member for history alone."""

    def __init__(self) -> None:
        self.members: dict[RoomId, set[str]] = {}
        self.epochs: dict[RoomId, str] = {}
        self.events: dict[RoomId, list[Event]] = {}
        self.sessions: dict[RoomId, dict[ClientId, UserId]] = {}
        self.refs: dict[tuple[RoomId, ClientId], int] = {}
        self.gates: set[GateId] = set()
        self.commands: list[Command] = []
        self.queries: list[Any] = []
        self.lose = False
        self.mute = False
        self.blind = False
        self.unanswered: list[Any] = []
        self.late: dict[str, str] = {}
        self.gone: dict[str, str] = {}
        self.refuse: dict[str, Code] = {}
        self.refuse_reads: dict[str, Code] = {}
        self.bans: dict[RoomId, list[BanState]] = {}
        self.invites: dict[RoomId, list[InviteState]] = {}
        self.decided: dict[tuple[str, str], Accepted] = {}
        self._connection: Any = None
        self._channel: Any = None

    async def start(self, url: str, shards: int) -> None:
        self._connection = await connect(url, "stand-in", timeout_seconds=10)
        self._channel = await open_channel(self._connection, confirms=False)
        await declare_topology(self._channel, shards)
        for shard in range(shards):
            await self._channel.basic_consume(routes.room_queue(shard), self._on_command, no_ack=True)
            await self._channel.basic_consume(routes.history_queue(shard), self._on_barrier, no_ack=True)
        await self._channel.basic_consume(routes.QUERIES_QUEUE, self._on_query, no_ack=True)

    async def stop(self) -> None:
        await self._connection.close()

    def open(self, room: str, *members: str, events: int = 0) -> RoomId:
        made = RoomId(room)
        self.members[made] = set(members)
        self.epochs[made] = "e1"
        self.events[made] = []
        self.sessions[made] = {}
        for number in range(events):
            self.append(made, members[0], f"old {number + 1}")
        return made

    def append(self, room: RoomId, actor: str, text: str, command_id: str | None = None) -> MessagePosted:
        event = MessagePosted(
            **self._next(room, actor, command_id),
            message_id=MessageId(f"msg_{len(self.events[room]) + 1}"),
            text=text,
        )
        self.events[room].append(event)
        return event

    async def post(self, room: RoomId, actor: str, text: str) -> None:
        """An event out of nowhere, as if another gate's client had sent it."""
        await self.fan_out(self.append(room, actor, text))

    async def fan_out(self, event: Event, *, skip: ClientId | None = None, expel: Expulsion | None = None) -> None:
        await self.publish(
            FanoutHeaders(
                FanoutKind.EVENT,
                event.room,
                event.epoch,
                event.seq,
                skip=skip,
                command_id=event.command_id if skip else None,
                message_id=getattr(event, "message_id", None) if skip else None,
                invite=event.invite if skip and isinstance(event, InviteCreated) else None,
                at=event.at.isoformat() if skip else None,
                expel=expel.user if expel else None,
                expel_code=expel.code.value if expel else None,
            ),
            event.to_json(),
        )

    async def top(self, room: RoomId) -> None:
        top = RoomTop(room=room, epoch=Epoch(self.epochs[room]), seq=len(self.events[room]))
        await self.publish(roomless_headers(FanoutKind.TOPS), RoomTops(tops=(top,)).to_json())

    async def publish(self, headers: FanoutHeaders, body: bytes, gates: set[GateId] | None = None) -> None:
        if self.lose:
            return
        keys = [routes.gate_key(gate) for gate in (gates or self.gates)]
        properties = commands.Basic.Properties(headers=headers.to_headers(keys))
        await self._channel.basic_publish(body, exchange=routes.FANOUT, routing_key="-", properties=properties)

    async def _on_command(self, delivery: Any) -> None:
        command = COMMAND.validate_json(delivery.body)
        self.commands.append(command)
        if self.mute:
            return
        match command:
            case Attach():
                await self._attach(command, delivery)
            case Detach():
                for session in command.sessions:
                    if session.attach_ref >= self.refs.get((command.room, session.client), 0):
                        self.sessions[command.room].pop(session.client, None)
            case _ if command.type in EVENTLESS_VERBS and self._refusal(command) is None:
                await self._reply(delivery, self._accepted(command))
            case _:
                await self._decide(command, delivery)

    async def _attach(self, command: Attach, delivery: Any) -> None:
        if command.room not in self.members:
            await self._reply(delivery, Refused.of(Code.ROOM_NOT_FOUND, command_id=command.command_id))
            return
        gate = GateId(command.actor)
        self.gates.add(gate)
        self.members[command.room].discard(self.gone.get(command.room, ""))
        refused = [one for one in command.sessions if one.user not in self.members[command.room]]
        for one in command.sessions:
            if one not in refused:
                self.sessions[command.room][one.client] = one.user
                self.refs[command.room, one.client] = one.attach_ref
        answer = AttachAnswer(
            command_id=command.command_id,
            room=command.room,
            epoch=Epoch(self.epochs[command.room]),
            seq=len(self.events[command.room]),
            title=command.room,
            visibility=Visibility.PUBLIC,
            member_count=len(self.members[command.room]),
            members=tuple(
                MemberView(user=UserId(user), role=Role.MEMBER) for user in sorted(self.members[command.room])
            ),
            refused=tuple(SessionRefused(session=one, code=Code.NOT_A_MEMBER) for one in refused),
        )
        headers = FanoutHeaders(FanoutKind.ATTACHED, answer.room, answer.epoch, answer.seq)
        await self.publish(headers, answer.to_json(), {gate})

    async def _decide(self, command: Command, delivery: Any) -> None:
        code = self._refusal(command)
        if code is not None:
            await self._reply(delivery, Refused.of(code, command_id=command.command_id))
            return
        known = self.decided.get((command.actor, command.command_id))
        if known is not None:
            await self._reply(delivery, known)
            return
        event = self._event(command)
        accepted = self._accepted(command, event)
        self.decided[command.actor, command.command_id] = accepted
        rides = command.client is not None and command.client in self.sessions[command.room]
        await self.fan_out(event, skip=command.client if rides else None, expel=expulsion(event))
        if not rides:
            await self._reply(delivery, accepted)

    def _accepted(self, command: Command, event: Event | None = None) -> Accepted:
        return Accepted(
            command_id=command.command_id,
            room=command.room,
            epoch=Epoch(self.epochs[command.room]),
            seq=len(self.events[command.room]) if event is None else event.seq,
            message_id=getattr(event, "message_id", None),
            invite=event.invite if isinstance(event, InviteCreated) else None,
            at=NOW,
        )

    def _refusal(self, command: Command) -> Code | None:
        if command.type in self.refuse:
            return self.refuse[command.type]
        if command.room not in self.members:
            return Code.ROOM_NOT_FOUND if command.type != "create" else None
        if command.actor in self.members[command.room] and isinstance(command, Join):
            return Code.ALREADY_A_MEMBER
        if command.actor not in self.members[command.room] and not isinstance(command, Join):
            return Code.NOT_A_MEMBER
        return None

    def _event(self, command: Command) -> Event:
        if command.type == "create":
            self.open(command.room, command.actor)
        made = self._made(command)
        if made is not None:
            self.events[command.room].append(made)
            return made
        if isinstance(command, Join):
            self.members[command.room].add(command.actor)
        if isinstance(command, Create):
            self.members[command.room].update(command.members)
        text = command.text if isinstance(command, Send) else command.type
        return self.append(command.room, command.actor, text, command.command_id)

    def _made(self, command: Command) -> Event | None:
        known = self._next(command.room, command.actor, command.command_id)
        match command:
            case Leave(actor=user):
                made: Event = MemberLeft(**known, user=user, reason=LeaveReason.LEFT)
            case Kick(user=user):
                made = MemberLeft(**known, user=user, reason=LeaveReason.KICKED)
            case Ban(user=user):
                made = MemberBanned(**known, user=user)
            case Invite():
                return InviteCreated(**known, invite=InviteId("an-invite"), role=command.role, expires_at=NOW)
            case _:
                return None
        self.members[command.room].discard(user)
        return made

    def _next(self, room: RoomId, actor: str, command_id: str | None) -> dict[str, Any]:
        seq = len(self.events[room]) + 1
        return {
            "room": room,
            "epoch": self.epochs[room],
            "seq": seq,
            "at": NOW,
            "actor": actor,
            "command_id": command_id or f"c{seq}",
        }

    async def _on_barrier(self, delivery: Any) -> None:
        if not (delivery.routing_key or "").startswith("query."):
            return
        query = BARRIER.validate_json(delivery.body)
        self.queries.append(query)
        if query.room in self.late:
            self.members[query.room].add(self.late.pop(query.room))
        if isinstance(query, HoleQuery) and query.room not in self.members:
            await self._reply(delivery, Refused.of(Code.ROOM_NOT_FOUND))
        elif isinstance(query, HoleQuery) and not self.blind:
            await self._reply(delivery, self._page(query.room, lambda event: event.seq > query.after, query.limit))

    async def _on_query(self, delivery: Any) -> None:
        query = QUERY.validate_json(delivery.body)
        self.queries.append(query)
        if self.blind:
            self.unanswered.append(delivery)
            return
        await self._reply(delivery, self._answer(query))

    async def see_again(self) -> None:
        """Answer the reads that were left unanswered, and all others from now on."""
        self.blind = False
        for delivery in self.unanswered:
            await self._reply(delivery, self._answer(QUERY.validate_json(delivery.body)))

    def _answer(self, query: Query) -> QueryAnswer:
        room = getattr(query, "room", None)
        if query.type in self.refuse_reads:
            return Refused.of(self.refuse_reads[query.type])
        if room is not None and room not in self.members:
            return Refused.of(Code.ROOM_NOT_FOUND)
        match query:
            case PageQuery(room=room, after=None, before=None):
                return self._newest(room, query.limit, messages=query.messages)
            case PageQuery(room=room, after=after, before=before):
                wanted = range((after or 0) + 1, before if before is not None else len(self.events[room]) + 1)
                return self._page(room, lambda event: event.seq in wanted, query.limit)
            case RoomQuery(room=room):
                return RoomAnswer(view=self._view(room, query.actor))
            case MembersQuery(room=room):
                views = tuple(MemberView(user=user, role=Role.MEMBER) for user in sorted(self.members[room]))
                return MembersAnswer(room=room, members=views, total=len(views))
            case MyRoomsQuery() | RoomsQuery():
                mine = isinstance(query, MyRoomsQuery)
                views = [
                    self._view(room, query.actor)
                    for room, members in self.members.items()
                    if not mine or query.actor in members
                ]
                return RoomsAnswer(rooms=tuple(views[query.offset :][: query.limit]), total=len(views))
            case SearchQuery(query=words):
                found = [
                    event for events in self.events.values() for event in events if words in event.to_json().decode()
                ]
                return SearchAnswer(events=tuple(found))
            case MessageQuery(room=room, message_id=message_id):
                known = [event for event in self.events[room] if getattr(event, "message_id", None) == message_id]
                return MessageAnswer(event=known[0]) if known else Refused.of(Code.MESSAGE_NOT_FOUND)
            case _:
                return self._ruling(query)

    def _ruling(self, query: Query) -> QueryAnswer:
        match query:
            case BansQuery(room=room, user=user, after=after):
                bans = [ban for ban in self.bans.get(room, []) if user in (None, ban.user) and ban.user > (after or "")]
                shown = bans[: query.limit]
                return BansAnswer(room=room, bans=tuple(shown), next=shown[-1].user if shown != bans else None)
            case InvitesQuery(room=room):
                return InvitesAnswer(room=room, invites=tuple(self.invites.get(room, [])))
            case InviteQuery(room=room, invite=invite):
                made = [each for each in self.invites.get(room, []) if each.invite == invite]
                return self._invite(room, made[0]) if made else Refused.of(Code.ROOM_NOT_FOUND)
            case _:
                return Refused.of(Code.UNKNOWN_COMMAND)

    def _invite(self, room: RoomId, invite: InviteState) -> InviteAnswer:
        told = {"role": invite.role, "expires_at": invite.expires_at}
        return InviteAnswer(room=room, title=room, member_count=len(self.members[room]), **told)

    def _view(self, room: RoomId, actor: str) -> RoomView:
        return RoomView(
            room=room,
            epoch=Epoch(self.epochs[room]),
            seq=len(self.events[room]),
            title=room,
            visibility=Visibility.PUBLIC,
            capacity=100,
            member_count=len(self.members[room]),
            created_at=NOW,
            updated_at=NOW,
            role=Role.MEMBER if actor in self.members[room] else None,
        )

    def _page(self, room: RoomId, wanted: Callable[[Event], bool], limit: int) -> PageAnswer:
        events = [event for event in self.events[room] if wanted(event)][:limit]
        return PageAnswer(room=room, epoch=Epoch(self.epochs[room]), head=len(self.events[room]), events=tuple(events))

    def _newest(self, room: RoomId, limit: int, *, messages: bool) -> PageAnswer:
        known = [event for event in self.events[room] if isinstance(event, MessagePosted) or not messages]
        page = self._page(room, lambda _: False, limit)
        return page.model_copy(update={"events": tuple(known[-limit:])})

    async def _reply(self, delivery: Any, answer: Any) -> None:
        asked = properties_of(delivery)
        if asked.reply_to:
            properties = commands.Basic.Properties(correlation_id=asked.correlation_id)
            await self._channel.basic_publish(answer.to_json(), routing_key=asked.reply_to, properties=properties)
