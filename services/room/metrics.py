"""Every metric of the room service. Labels never hold a room or a user."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.fanout import FanoutKind

CHILDREN: Final = 1_024
CONFIRM_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RoomMetrics:
    """One set per process and registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.commands = Counter(
            "room_commands",
            "Commands by verb and how they ended: accepted, repeated, ignored, or a code.",
            ["verb", "outcome"],
            registry=registry,
        )
        self.log_confirm_seconds = Histogram(
            "room_log_confirm_seconds",
            "From the publish of an event to its confirm by the log.",
            buckets=CONFIRM_BUCKETS,
            registry=registry,
        )
        self.fanout_publishes = Counter(
            "room_fanout_publishes", "Publishes to the fan-out by kind.", ["kind"], registry=registry
        )
        self.fanout_deliveries = Counter(
            "room_fanout_deliveries", "Deliveries these made, one a gate, by kind.", ["kind"], registry=registry
        )
        self.replies = Counter("room_replies", "Answers sent to a reply address.", registry=registry)
        self.parked = Counter(
            "room_deliveries_parked", "Deliveries set aside, by reason.", ["reason"], registry=registry
        )
        self.loads = Counter("room_loads", "Rooms asked of history, by outcome.", ["outcome"], registry=registry)
        self.shard_ends = Counter(
            "room_shard_ends", "How often all of a shard was forgotten, by reason.", ["reason"], registry=registry
        )
        self.shards_given_up = Counter(
            "room_shards_given_up", "Shards left to other workers, so that all hold as many.", registry=registry
        )
        self.rooms_loaded = Gauge("room_rooms_loaded", "Rooms in memory.", registry=registry)
        self.shards_active = Gauge("room_shards_active", "Shards this worker is the one writer of.", registry=registry)
        self.shards_shedding = Gauge(
            "room_shards_shedding", "Shards whose commands are refused because the log refuses.", registry=registry
        )
        self.publishing_blocked = Gauge(
            "room_publishing_blocked",
            "1 while an alarm of the broker blocks what this worker publishes.",
            registry=registry,
        )
        self.gates_alive = Gauge("room_gates_alive", "Gates whose heartbeats arrive.", registry=registry)
        self._command = lru_cache(CHILDREN)(self.commands.labels)
        self._fan_out = {
            kind: (self.fanout_publishes.labels(kind.value), self.fanout_deliveries.labels(kind.value))
            for kind in FanoutKind
        }

    def count_command(self, verb: str, outcome: str) -> None:
        """A command ended."""
        self._command(verb, outcome).inc()

    def count_fan_out(self, kind: FanoutKind, gates: int) -> None:
        """One publish to so many gates."""
        publishes, deliveries = self._fan_out[kind]
        publishes.inc()
        deliveries.inc(gates)
