"""Who is active where, as the room workers' heartbeats tell it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.control import WorkerHeartbeat


@dataclass(frozen=True, slots=True)
class Line:
    """What the broker says of a shard's queue: how many commands wait, and whether it gives them to anybody."""

    shard: int
    waiting: int
    consumed: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker that says it is active on a shard; `ready`: it stands in line for all others as well."""

    worker: str
    ready: bool


class Roll:
    """Heartbeats taken in; of one worker the latest counts."""

    def __init__(self) -> None:
        self._heard: dict[str, WorkerHeartbeat] = {}

    def receive(self, heartbeat: WorkerHeartbeat) -> None:
        """A worker says what it is active on."""
        self._heard[heartbeat.worker] = heartbeat

    @property
    def workers(self) -> list[WorkerHeartbeat]:
        """Every worker heard of, by name."""
        return [self._heard[name] for name in sorted(self._heard)]

    def claims(self, shard: int) -> list[Claim]:
        """Who says to be active on a shard: one, unless it is changing hands or nobody knows."""
        return [Claim(each.worker, each.ready) for each in self.workers if shard in each.shards]

    def unclaimed(self, shards: int) -> list[int]:
        """The shards nobody says to be active on."""
        return [shard for shard in range(shards) if not self.claims(shard)]
