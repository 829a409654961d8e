"""Who gives up which shard and when, and that it ends: alone, and as several workers before a broker's lines."""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.control import WorkerHeartbeat
from services.room.balance import Peers

STILL = 2.0
INTERVAL = 5.0


def heartbeat(worker, shards, *, ready=True):
    return WorkerHeartbeat(worker=worker, interval_seconds=INTERVAL, shards=tuple(shards), ready=ready)


def peers_of(worker, shards, *said, now=0.0):
    peers = Peers(worker, shards, still_seconds=STILL)
    for each in said:
        peers.receive(each, now)
    return peers


class TestGivingUp:
    def test_the_most_loaded_gives_up_the_shard_it_took_over_last(self):
        said = heartbeat("a", [0, 3, 2]), heartbeat("b", [1])
        assert peers_of("a", 4, *said).give_up(STILL) == 2
        assert peers_of("b", 4, *said).give_up(STILL) is None

    def test_of_several_the_one_with_the_smallest_id(self):
        said = heartbeat("a", [0, 1]), heartbeat("b", [2, 3]), heartbeat("c", [])
        assert peers_of("a", 4, *said).give_up(STILL) == 1
        assert peers_of("b", 4, *said).give_up(STILL) is None

    def test_nobody_where_loads_are_one_apart(self):
        said = heartbeat("a", [0, 1]), heartbeat("b", [2])
        assert peers_of("a", 3, *said).give_up(STILL) is None

    def test_nobody_while_a_shard_is_held_by_nobody(self):
        said = heartbeat("a", [0, 1, 2]), heartbeat("b", [])
        assert peers_of("a", 4, *said).give_up(STILL) is None

    def test_nobody_while_two_say_that_they_hold_a_shard(self):
        said = heartbeat("a", [0, 1, 2, 3]), heartbeat("b", [3]), heartbeat("c", [])
        assert peers_of("a", 4, *said).give_up(STILL) is None

    def test_nobody_while_somebody_who_holds_a_shard_is_not_ready(self):
        said = heartbeat("a", [0, 1, 2]), heartbeat("b", [3], ready=False), heartbeat("c", [])
        assert peers_of("a", 4, *said).give_up(STILL) is None

    def test_nobody_before_all_has_been_still_for_a_while(self):
        peers = peers_of("a", 4, heartbeat("a", range(4)), heartbeat("b", []), now=10.0)
        assert peers.give_up(10.0 + STILL - 0.1) is None
        peers.receive(heartbeat("c", []), 11.5)
        peers.receive(heartbeat("b", []), 12.0)
        assert peers.give_up(13.4) is None
        assert peers.give_up(13.5) == 3

    def test_what_came_back_is_not_given_up_again_before_something_changes_with_the_others(self):
        peers = peers_of("a", 4, heartbeat("a", range(4)), heartbeat("b", []))
        assert peers.give_up(2.0) == 3
        peers.receive(heartbeat("a", range(3)), 2.1)
        peers.receive(heartbeat("a", range(4)), 2.2)
        assert peers.give_up(10.0) is None
        peers.receive(heartbeat("c", []), 11.0)
        assert peers.give_up(13.0) == 3

    def test_what_another_has_taken_over_is_followed_by_the_next(self):
        peers = peers_of("a", 4, heartbeat("a", range(4)), heartbeat("b", []))
        assert peers.give_up(2.0) == 3
        peers.receive(heartbeat("a", range(3)), 2.1)
        peers.receive(heartbeat("b", [3]), 2.2)
        assert peers.give_up(4.2) == 2

    def test_nobody_while_nothing_is_heard(self):
        peers = peers_of("a", 4, heartbeat("a", range(4)), heartbeat("b", []))
        peers.receive_silence(100.0)
        assert peers.give_up(100.0) is None
        assert peers.expire(100.0) == []
        assert peers.give_up(100.0 + STILL) == 3

    def test_a_worker_alone_or_one_that_was_never_heard_gives_up_nothing(self):
        assert peers_of("a", 2, heartbeat("a", [0, 1])).give_up(STILL) is None
        assert peers_of("a", 2).give_up(STILL) is None


class TestComingAndGoing:
    def test_one_who_starts_does_not_count_before_it_is_ready(self):
        said = heartbeat("a", [0, 1]), heartbeat("b", [], ready=False)
        assert peers_of("a", 2, *said).give_up(STILL) is None
        assert peers_of("a", 2, *said, heartbeat("b", [])).give_up(STILL) == 1

    def test_one_who_leaves_counts_no_more(self):
        peers = peers_of("a", 3, heartbeat("a", [0, 1, 2]), heartbeat("b", []))
        peers.receive(heartbeat("b", [], ready=False), 1.0)
        assert peers.give_up(1.0 + STILL) is None

    def test_three_heartbeats_missed_and_a_worker_is_gone(self):
        peers = peers_of("a", 2, heartbeat("a", [0]), heartbeat("b", [1]))
        peers.receive(heartbeat("a", [0]), 14.0)
        assert peers.expire(14.9) == []
        assert peers.expire(15.0) == ["b"]
        assert peers.expire(15.0) == []


class TestCounting:
    def test_what_nobody_holds_is_asked_for_by_the_smallest_id_with_growing_pauses(self):
        said = heartbeat("a", [0]), heartbeat("b", [1])
        first, second = peers_of("a", 4, *said), peers_of("b", 4, *said)
        assert first.shards_to_count(0.0) == []
        asked = [moment for moment in range(1, 200) if first.shards_to_count(float(moment))]
        assert asked == [1, 3, 7, 15, 31, 63, 123, 183]
        assert not any(second.shards_to_count(float(moment)) for moment in range(200))

    def test_what_somebody_holds_again_is_asked_for_no_more_and_then_soon_again(self):
        peers = peers_of("a", 2, heartbeat("a", [0]))
        peers.shards_to_count(0.0)
        assert peers.shards_to_count(1.0) == [1]
        peers.receive(heartbeat("b", [1]), 2.0)
        assert peers.shards_to_count(5.0) == []
        peers.receive(heartbeat("b", [], ready=False), 6.0)
        assert peers.shards_to_count(6.0) == []
        assert peers.shards_to_count(7.0) == [1]

    def test_when_a_worker_is_gone_the_next_asks_soon_however_long_the_other_had_asked_in_vain(self):
        said = heartbeat("a", [0]), heartbeat("b", [1])
        peers = peers_of("b", 4, *said)
        assert not any(peers.shards_to_count(float(moment)) for moment in range(14))
        peers.receive(heartbeat("b", [1]), 14.0)
        assert peers.expire(15.0) == ["a"]
        assert [moment for moment in range(15, 20) if peers.shards_to_count(float(moment)) == [0, 2, 3]] == [16, 18]

    def test_a_worker_that_leaves_asks_for_nothing(self):
        peers = peers_of("a", 1, heartbeat("a", [], ready=False))
        assert [peers.shards_to_count(float(moment)) for moment in range(5)] == [[]] * 5


class Worker:
    """What a worker knows of itself and of the others; it learns that it holds a shard when a census comes."""

    def __init__(self, name, shards):
        self.name = name
        self.peers = Peers(name, shards, still_seconds=STILL)
        self.held = []
        self.told = None

    def heartbeat(self):
        return heartbeat(self.name, self.held)


class World:
    """Workers before a broker that keeps a line for each shard; its head is active. A step is one second."""

    def __init__(self, shards):
        self.lines = [[] for _ in range(shards)]
        self.workers = {}
        self.on_the_way = deque()
        self.now = 0.0
        self.given_up = 0
        self.counted = 0

    def join(self, name):
        self.workers[name] = Worker(name, len(self.lines))
        for shard in range(len(self.lines)):
            self._stand_in_line(name, shard)

    def die(self, name):
        self.workers.pop(name)
        for line in self.lines:
            line.remove(name)

    def leave(self, name):
        self.die(name)
        self.on_the_way.append((self.now, heartbeat(name, [], ready=False)))

    def step(self):
        self.now += 1
        while self.on_the_way and self.on_the_way[0][0] < self.now:
            _, said = self.on_the_way.popleft()
            for worker in self.workers.values():
                worker.peers.receive(said, self.now)
        for worker in list(self.workers.values()):
            self._tick(worker)

    def is_balanced(self):
        loads = [len(worker.held) for worker in self.workers.values()]
        return sum(loads) == len(self.lines) and max(loads) - min(loads) < 2

    def _tick(self, worker):
        worker.peers.receive(worker.heartbeat(), self.now)
        worker.peers.expire(self.now)
        for shard in worker.peers.shards_to_count(self.now):
            self._count(shard)
        shard = worker.peers.give_up(self.now)
        if shard is not None:
            self._give_up(worker, shard)
        if worker.told != worker.held or self.now % INTERVAL == 0:
            worker.told = list(worker.held)
            self.on_the_way.append((self.now, worker.heartbeat()))

    def _give_up(self, worker, shard):
        assert self.lines[shard].pop(0) == worker.name
        worker.held.remove(shard)
        self.given_up += 1
        self._stand_in_line(worker.name, shard)

    def _stand_in_line(self, name, shard):
        self.lines[shard].append(name)
        self._count(shard)

    def _count(self, shard):
        self.counted += 1
        active = self.workers[self.lines[shard][0]]
        if shard not in active.held:
            active.held.append(shard)


STEPS = st.lists(st.tuples(st.sampled_from(["join", "join", "leave", "die"]), st.integers(0, 40)), max_size=12)


@settings(max_examples=150)
@given(shards=st.sampled_from([1, 2, 4, 8, 16]), steps=STEPS, names=st.permutations(range(14)))
def test_whoever_joins_leaves_and_dies_loads_end_at_most_one_apart_and_then_nothing_moves(shards, steps, names):
    world, names = World(shards), [f"w{number:02d}" for number in names]
    world.join(names.pop())
    for verb, pause in steps:
        if verb == "join":
            world.join(names.pop())
        elif len(world.workers) > 1:
            getattr(world, verb)(sorted(world.workers)[pause % len(world.workers)])
        for _ in range(pause):
            world.step()
    moved = world.given_up
    for _ in range(40 + 5 * shards * len(world.workers)):
        world.step()
    assert world.is_balanced()
    assert world.given_up - moved <= shards * len(world.workers)
    moved, counted = world.given_up, world.counted
    for _ in range(100):
        world.step()
    assert (world.given_up, world.counted) == (moved, counted)


def test_each_of_many_workers_that_come_one_after_the_other_costs_no_more_moves_than_there_are_shards():
    world = World(64)
    world.join("w0")
    for number in range(1, 8):
        world.join(f"w{number}")
        moved = world.given_up
        for _ in range(250):
            world.step()
        assert world.is_balanced()
        assert world.given_up - moved <= 64
