"""When all is over: who is told to be a member of what, what a last look into every private room shows, and whether
what was done to memberships was kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from tests.reliability.checks.anomalies import Finding, Stored
from tests.reliability.checks.membership import judge_bans, judge_invites, judge_members, judge_traffic, members_of
from tests.reliability.checks.secrecy import judge_last_looks
from tests.reliability.doors.door import NoAnswer
from tests.reliability.dump import invite_events, stored_events
from tests.reliability.questions import last_found
from tests.reliability.workloads.membership import Comings
from tests.reliability.workloads.world import FOUNDER, World

ASK_SECONDS: Final = 5.0


async def judge_memberships(world: World, comings: Comings, mongo_url: str, within_seconds: float) -> list[Finding]:
    """Every check of memberships that wants a look at the end, or at more than journals. What history tells must be
    right within so many seconds."""

    async def judged() -> list[Finding]:
        folded = members_of(await _stored(world, mongo_url), world.founders)
        return judge_members(await _members_told(world), folded)

    wrong = await last_found(judged, within_seconds)
    before = members_of(await _stored(world, mongo_url), world.founders)
    looks = await comings.look_everywhere()
    stored = await _stored(world, mongo_url)
    after = members_of(stored, world.founders)
    people = {look.who for look in looks}
    inside = {room: before[room] & after[room] for room in world.founders}
    outside = {room: people - before[room] - after[room] for room in world.founders}
    invites = await asyncio.to_thread(invite_events, mongo_url, comings.rooms)
    used = {(event.room, event.seq) for event in invites if event.user is not None}
    founders = {room: world.founders[room] for room in comings.rooms}
    return [
        *wrong,
        *judge_last_looks(looks, inside, outside),
        *judge_bans(world.journals(), stored),
        *judge_invites(invites),
        *judge_traffic(stored, used, founders, comings.seconds),
    ]


async def _stored(world: World, mongo_url: str) -> Sequence[Stored]:
    return await asyncio.to_thread(stored_events, mongo_url, world.founders)


async def _members_told(world: World) -> Mapping[str, AbstractSet[str]]:
    """Those of each room, as one of its members is told. Raises AssertionError where nobody tells."""
    return {room: await _members_of(world, room) for room in world.founders}


async def _members_of(world: World, room: str) -> frozenset[str]:
    users: set[str] = set()
    after: str | None = None
    while True:
        try:
            told = await world.ask(FOUNDER, {"type": "members", "room": room, "after": after}, ASK_SECONDS)
        except NoAnswer as problem:
            raise AssertionError(f"nobody tells the members of {room}") from problem
        assert told["type"] == "members", told
        users |= {each["user"] for each in told["members"]}
        after = told.get("next")
        if after is None:
            return frozenset(users)
