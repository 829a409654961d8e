"""What surrounds a room worker in these tests: honest stand-ins on the real broker that keep what they see."""

import asyncio
import contextlib
import json
import os
import sys
from itertools import count
from typing import Annotated
from urllib.parse import urlsplit

from pamqp import commands
from pydantic import Field, TypeAdapter

from schemas import routes
from schemas.answers import ANSWER, Accepted, AttachAnswer, Refused
from schemas.commands import COMMAND
from schemas.control import CONTROL, GateHeartbeat, RosterDone, RosterRequest, WorkerHeartbeat
from schemas.events import MessagePosted, Receipt, decode_logged
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.operations import Inspection
from schemas.queries import BARRIER, LookupAnswer, SnapshotAnswer, SnapshotQuery
from schemas.state import AppliedCommand, Snapshot
from services.history.fold import fold
from services.runtime.broker import headers_of, open_channel, properties_of
from services.runtime.rpc import Rpc
from tests.bed.waiting import eventually

INSPECTED = TypeAdapter(Annotated[Inspection | Refused, Field(discriminator="type")])
SHARDS = 2
HEARTBEAT_SECONDS = 0.5
ANSWER_SECONDS = 30.0


class HistoryStandIn:
    """Folds the log as it arrives, drops what a stale writer wrote, and answers barrier queries in queue order.

    `silent` stops the answers, not the reading. `events[room]` are those taken, `stale` those dropped.
    """

    def __init__(self, channel, shards=SHARDS):
        self._channel = channel
        self._shards = shards
        self._consumers = []
        self._fences = {}
        self._states = {}
        self.events = {}
        self.stale = []
        self.snapshots = 0
        self.lookups = 0
        self.silent = False

    async def start(self):
        for shard in range(self._shards):
            consuming = await self._channel.basic_consume(routes.history_queue(shard), self._on_delivery, no_ack=True)
            self._consumers.append(consuming.consumer_tag)

    async def stop(self):
        """Read no more; `start` goes on."""
        while self._consumers:
            await self._channel.basic_cancel(self._consumers.pop())

    def seqs(self, room):
        return [event.seq for event in self.events.get(room, [])]

    async def _on_delivery(self, delivery):
        if delivery.routing_key.startswith("query."):
            await self._answer(delivery)
            return
        logged = decode_logged(delivery.body)
        assert not isinstance(logged.entry, Receipt)
        room = logged.entry.room
        if logged.fence < self._fences.get(room, 0):
            self.stale.append(logged.entry)
            return
        self.events.setdefault(room, []).append(logged.entry)
        self._states[room] = fold(self._states.get(room), logged.entry)

    async def _answer(self, delivery):
        query, asked = BARRIER.validate_json(delivery.body), properties_of(delivery)
        answer = self._snapshot(query) if isinstance(query, SnapshotQuery) else self._lookup(query)
        if asked.reply_to and not self.silent:
            properties = commands.Basic.Properties(correlation_id=asked.correlation_id)
            await self._channel.basic_publish(answer.to_json(), routing_key=asked.reply_to, properties=properties)

    def _snapshot(self, query):
        self.snapshots += 1
        fence = self._fences[query.room] = self._fences.get(query.room, 0) + 1
        recent = tuple(
            AppliedCommand(actor=event.actor, command_id=event.command_id, answer=answer_to(event))
            for event in self.events.get(query.room, [])[-512:]
        )
        state = self._states.get(query.room)
        return SnapshotAnswer(snapshot=Snapshot(room=query.room, fence=fence, state=state, recent=recent))

    def _lookup(self, query):
        self.lookups += 1
        wanted = (query.actor, query.command_id)
        found = [event for event in self.events.get(query.room, []) if (event.actor, event.command_id) == wanted]
        return LookupAnswer(answer=answer_to(found[0]) if found else None)


def answer_to(event):
    message_id = event.message_id if isinstance(event, MessagePosted) else None
    return Accepted(
        command_id=event.command_id,
        room=event.room,
        epoch=event.epoch,
        seq=event.seq,
        message_id=message_id,
        at=event.at,
    )


class Sender:
    """A program that publishes commands on `chat.commands` and reads its answers."""

    def __init__(self, channel):
        self._rpc = Rpc(channel, in_flight_limit=5_000)
        self._numbers = count(1)

    async def start(self):
        await self._rpc.open()

    async def stop(self):
        await self._rpc.close()

    def send(self, verb, actor="olga", room="general", **fields):
        """Publish; the future of the answer."""
        fields.setdefault("command_id", f"c{next(self._numbers)}")
        command = COMMAND.validate_python({"type": verb, "room": room, "actor": actor, **fields})
        return self.send_raw(routes.command_key(room, verb), command.to_json())

    def post(self, verb, actor="olga", room="general", **fields):
        """Publish without waiting for any answer."""
        command = COMMAND.validate_python({"type": verb, "room": room, "actor": actor, **fields})
        self._rpc.post(routes.COMMANDS, routes.command_key(room, verb), command.to_json(), persistent=True)

    def send_raw(self, key, body):
        return self._rpc.send(routes.COMMANDS, key, body, persistent=True).answer

    async def ask(self, verb, actor="olga", room="general", **fields):
        """Publish and wait for the answer."""
        return await answered(self.send(verb, actor, room, **fields))

    async def inspect(self, room="general"):
        """What the room's writer holds of it, or a refusal."""
        answer = await asyncio.wait_for(self.send("inspect", "operator", room), ANSWER_SECONDS)
        return INSPECTED.validate_json(answer)

    async def make_room(self, room="general", members=("mia", "rita"), **fields):
        answer = await self.ask("create", room=room, title="General", members=list(members), **fields)
        assert answer.type == "accepted", answer
        return answer


async def answered(future):
    return ANSWER.validate_json(await asyncio.wait_for(future, ANSWER_SECONDS))


async def count_publishes(link, exchange, key):
    """A queue gets one copy of a publish, however many of the publish's keys match its bindings."""
    channel, arrived = await open_channel(link, confirms=False), []
    queue = (await channel.queue_declare(exclusive=True)).queue

    async def keep(delivery):
        arrived.append(delivery)

    await channel.queue_bind(queue, exchange, key)
    await channel.basic_consume(queue, keep, no_ack=True)
    return arrived


@contextlib.asynccontextmanager
async def closing(writer):
    """The connection is closed behind this, however it ends."""
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class Wire:
    """A TCP relay to the broker. While held nothing travels to the broker, as when it blocks publishers for an alarm;
    what it says itself, heartbeats among it, still arrives."""

    def __init__(self, amqp_url):
        self._to = urlsplit(amqp_url)
        self._open = asyncio.Event()
        self._open.set()
        self._relaying = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user, _, _ = self._to.netloc.rpartition("@")
        self.url = self._to._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await asyncio.sleep(0)  # who was accepted a moment ago begins, and is known
        for task in self._relaying:
            task.cancel()
        await asyncio.gather(*self._relaying, return_exceptions=True)

    def hold(self):
        self._open.clear()

    def release(self):
        self._open.set()

    async def _relay(self, reader, writer):
        self._relaying.add(asyncio.current_task())
        async with closing(writer):
            there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
            async with closing(back):
                await asyncio.gather(self._pump(reader, back, self._open), self._pump(there, writer, always()))

    async def _pump(self, reader, writer, is_open):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                await is_open.wait()
                writer.write(data)
                await writer.drain()
            writer.write_eof()


def always():
    event = asyncio.Event()
    event.set()
    return event


class RoomProcess:
    """A room worker as a process of its own, which can be killed."""

    def __init__(self, amqp_url, shards=SHARDS, **environment):
        self._environment = {
            **os.environ,
            "GATEHOUSE_AMQP_URL": amqp_url,
            "GATEHOUSE_SHARDS": str(shards),
            "GATEHOUSE_OPS_PORT": "0",
            "GATEHOUSE_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
            **environment,
        }
        self._process = None

    async def start(self):
        command = (sys.executable, "-m", "services", "room")
        self._process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, stderr=asyncio.subprocess.DEVNULL
        )

    def alive(self):
        return self._process.returncode is None

    def signal(self, number):
        """Any signal (SIGSTOP, SIGCONT)."""
        self._process.send_signal(number)

    async def kill(self):
        """SIGKILL, unless it has ended."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def stop(self):
        """SIGTERM; the exit code."""
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), ANSWER_SECONDS)


class Roll:
    """Hears what the room workers say they do."""

    def __init__(self, channel):
        self._channel = channel
        self.said = {}

    async def start(self):
        queue = (await self._channel.queue_declare(exclusive=True)).queue
        await self._channel.queue_bind(queue, routes.CONTROL)
        await self._channel.basic_consume(queue, self._on_control, no_ack=True)

    def active(self):
        """Worker -> shards, of those that did not say good-bye."""
        return {name: sorted(said.shards) for name, said in self.said.items() if said.shards or said.ready}

    def loads(self):
        """How many shards each holds, ascending, once every worker is ready."""
        counted = [said for said in self.said.values() if said.shards or said.ready]
        return sorted(len(said.shards) for said in counted) if all(said.ready for said in counted) else []

    async def _on_control(self, delivery):
        message = CONTROL.validate_json(delivery.body)
        if isinstance(message, WorkerHeartbeat):
            self.said[message.worker] = message


class GateStandIn:
    """A gate's queue. `arrived` are the headers and bodies, in order; rosters are answered from `holds`."""

    def __init__(self, name, channel):
        self._channel = channel
        self.name = name
        self.holds = {}
        self.arrived = []
        self.asked = []
        self.tells_rosters = True

    async def start(self):
        queue, heard = routes.gate_queue(self.name), f"control.{self.name}"
        await self._channel.queue_declare(queue, exclusive=True)
        await self._channel.queue_bind(queue, routes.FANOUT, routes.gate_key(self.name))
        await self._channel.basic_consume(queue, self._on_delivery, no_ack=True)
        await self._channel.queue_declare(heard, exclusive=True)
        await self._channel.queue_bind(heard, routes.CONTROL)
        await self._channel.basic_consume(heard, self._on_control, no_ack=True)
        self._beating = asyncio.create_task(self._beat())

    async def fall_silent(self):
        """Beat no more."""
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)

    async def attach(self, room, **people):
        """Attach clients by name, and wait for the room's answer."""
        self.holds.setdefault(room, {}).update(people)
        before = len(self.of_kind(FanoutKind.ATTACHED, room))
        await self._command("attach", room, people)
        await eventually(lambda: len(self.of_kind(FanoutKind.ATTACHED, room)) > before, ANSWER_SECONDS)
        return AttachAnswer.model_validate_json(self.of_kind(FanoutKind.ATTACHED, room)[before][1])

    async def tell(self, message):
        """Say something on the control plane."""
        await self._channel.basic_publish(message.to_json(), exchange=routes.CONTROL)

    async def detach(self, room, **people):
        for client in people:
            del self.holds[room][client]
        await self._command("detach", room, people)

    def of_kind(self, kind, room="general"):
        return [each for each in self.arrived if each[0].kind is kind and each[0].room == room]

    def seqs(self, room="general"):
        return [headers.seq for headers, _ in self.of_kind(FanoutKind.EVENT, room)]

    def signals(self, room="general"):
        return [json.loads(body) for _, body in self.of_kind(FanoutKind.SIGNAL, room)]

    async def _command(self, verb, room, people):
        sessions = [{"client": f"{self.name}/{client}", "user": user} for client, user in people.items()]
        body = {"type": verb, "room": room, "actor": self.name, "command_id": f"{verb}-{len(self.arrived)}"}
        command = COMMAND.validate_python({**body, "sessions": sessions})
        properties = commands.Basic.Properties(delivery_mode=2)
        await self._channel.basic_publish(
            command.to_json(),
            exchange=routes.COMMANDS,
            routing_key=routes.command_key(room, verb),
            properties=properties,
        )

    async def _beat(self):
        while True:
            await self.tell(GateHeartbeat(gate=self.name, interval_seconds=HEARTBEAT_SECONDS))
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _on_delivery(self, delivery):
        self.arrived.append((FanoutHeaders.from_headers(headers_of(delivery)), delivery.body))

    async def _on_control(self, delivery):
        message = CONTROL.validate_json(delivery.body)
        if isinstance(message, RosterRequest) and message.gate in (None, self.name):
            self.asked.append(message)
            if not self.tells_rosters:
                return
            for room, people in self.holds.items():
                if routes.shard_of(room, message.shards) == message.shard:
                    await self._command("attach", room, people)
            await self.tell(RosterDone(gate=self.name, worker=message.worker, shard=message.shard))
