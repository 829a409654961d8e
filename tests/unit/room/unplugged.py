"""What a term or a shedding has around it, without a broker: a channel and a way out that remember what they took."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from pamqp import commands, frame
from prometheus_client import CollectorRegistry

from schemas import routes
from services.room.gates import Gates
from services.room.metrics import RoomMetrics
from services.room.settings import RoomSettings
from services.room.surroundings import Surroundings
from services.room.suspects import Suspects

SHARD = 0
QUEUE = routes.room_queue(SHARD)
SETTINGS = RoomSettings(amqp_url="amqp://nowhere/")


class Unblocked:
    """How the driver says that no alarm blocks a connection: a wait that is over at once."""

    def __await__(self):
        return iter(())


def publishes_in(payload):
    """Exchange and key of every publish in what was written to a connection."""
    found = []
    while payload:
        length, _, value = frame.unmarshal(payload)
        payload = payload[length:]
        if isinstance(value, commands.Basic.Publish):
            found.append((value.exchange, value.routing_key))
    return found


class FakeChannel:
    """Confirms every publish while `confirming` is set. Acks take until `acking` is set. What reaches the connection,
    acks and publishes, stands in `written`, in order."""

    def __init__(self):
        self.consumers = {}
        self.written = []
        self.acks = []
        self.published = []
        self.confirming = opened()
        self.acking = opened()
        self.ack_begun = asyncio.Event()
        self.closing = asyncio.get_running_loop().create_future()
        self.on_consumer_cancel_callbacks = set()
        self.connection = SimpleNamespace(ready=Unblocked)
        self.is_closed = False
        self.number, self.max_content_size, self.delivery_tag = 1, 100_000, 0
        self.lock = asyncio.Lock()
        self.confirmations, self.message_id_delivery_tag = {}, {}
        self.write_queue = SimpleNamespace(put=self.take_frames)
        self.confirmer = None

    async def take_frames(self, written):
        """What a publisher writes by hand; confirmed once `confirming` is set."""
        self.published += publishes_in(written.payload)
        self.confirmer = asyncio.ensure_future(self.confirm_all())

    async def confirm_all(self):
        await self.confirming.wait()
        while self.confirmations:
            self.confirmations.pop(min(self.confirmations)).set_result(None)

    async def basic_consume(self, queue, callback, **_):
        self.consumers[queue] = callback
        return SimpleNamespace(consumer_tag=queue)

    async def queue_declare(self, _queue, **_):
        return SimpleNamespace(message_count=0)

    async def basic_publish(self, _body, *, exchange, routing_key, **_):
        self.published.append((exchange, routing_key))
        await self.confirming.wait()

    async def basic_ack(self, tag, *, multiple=False, **_):
        self.ack_begun.set()
        await self.acking.wait()
        self.acks.append((tag, multiple))
        self.written.append("ack")

    async def deliver(self, tag, command, *, body=None):
        """A command comes, with somebody waiting for its answer."""
        properties = commands.Basic.Properties(reply_to="waiting", correlation_id=str(tag))
        delivery = SimpleNamespace(
            delivery_tag=tag,
            exchange=routes.COMMANDS,
            routing_key=routes.command_key(command.room, command.type),
            body=command.to_json() if body is None else body,
            redelivered=False,
            header=SimpleNamespace(properties=properties),
        )
        await self.consumers[QUEUE](delivery)


class FakeOutlet:
    """Takes effects one by one, each only when `sending` is set."""

    def __init__(self, written=None):
        self.sent = []
        self.begun = asyncio.Event()
        self.sending = opened()
        self.written = [] if written is None else written

    async def send_census(self, _shard, _shards):
        pass

    async def send(self, effects):
        for effect in effects:
            self.begun.set()
            await self.sending.wait()
            self.sent.append(effect)
            self.written.append("effect")


def opened():
    """An event that is set."""
    event = asyncio.Event()
    event.set()
    return event


def around(outlet, **overrides):
    """What all terms of a worker share; `overrides` are settings."""
    return Surroundings(
        worker="room-me",
        settings=SETTINGS.model_copy(update=overrides),
        outlet=outlet,
        metrics=RoomMetrics(CollectorRegistry()),
        gates=Gates(),
        gates_known_at=0.0,
        ask_roster=lambda _: None,
        new_term=lambda: "room-me-1",
        note_change=lambda: None,
        suspects=Suspects(),
        doubts={},
    )
