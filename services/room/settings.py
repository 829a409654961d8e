"""What the room service is told at its start."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas import limits
from services.room.presence import PresenceRules
from services.runtime.settings import Port, Seconds, ServiceSettings


class RoomSettings(ServiceSettings):
    """Settings of a room worker.

    Attributes:
        prefetch: deliveries of one shard in progress at a time; the bound on everything a shard has in flight. Not
            above what a room remembers, so that a command whose confirm is awaited is always remembered (I2).
        snapshot_seconds: how long a command may wait for history, from its arrival: to load its room, to look up a
            flagged retry, to ask about the message it is about.
        roster_seconds: how long a gate may take to tell its sessions after a takeover.
        poison_after: a delivery whose handling broke this often is parked.
        rooms_limit: rooms in memory, over all shards; only idle ones are dropped.
        targets_limit: messages, and reactors to them, in memory, over all shards; the others are asked of history when
            somebody edits, deletes, or reacts to one, or replies to it.
        balance_seconds: for how long nothing may have changed among the room workers before one that holds two shards
            more than another gives one up.
        presence_grace_seconds: how long one whose last session in a room ended may take to come back, before the
            others hear that they are offline.
        presence_per_second: presence signals a second that a room gets at most.
        presence_limit: members online above which presence only counts, and nobody hears who has read what.
    """

    ops_port: Port = 9101
    prefetch: Annotated[int, Field(ge=1, le=limits.RECENT_COMMANDS)] = 256
    snapshot_seconds: Seconds = 10
    roster_seconds: Seconds = 10
    poison_after: Annotated[int, Field(ge=1, le=15)] = 3
    rooms_limit: Annotated[int, Field(ge=64, le=10_000_000)] = 50_000
    targets_limit: Annotated[int, Field(ge=64, le=10_000_000)] = 100_000
    balance_seconds: Seconds = 2
    presence_grace_seconds: Seconds = 5
    presence_per_second: Annotated[int, Field(ge=1, le=50)] = 10
    presence_limit: Annotated[int, Field(ge=1, le=limits.PRESENCE_CHANGES)] = 500

    @property
    def presence_rules(self) -> PresenceRules:
        """How presence is said."""
        return PresenceRules(
            grace_seconds=self.presence_grace_seconds, per_second=self.presence_per_second, limit=self.presence_limit
        )
