"""Orders that wait for history: how long at most, in which order, and who does not have to wait for whom."""

import asyncio
from itertools import pairwise
from types import SimpleNamespace

import pytest

from schemas.answers import Accepted
from schemas.queries import TargetAnswer
from schemas.state import MessageState, Snapshot
from services.room.barrier import NotAnswered, NothingHeard
from services.room.deliveries import Taken
from services.room.hall import Hall
from services.room.inquiries import Inquiries
from services.room.orders import Order
from services.room.presence import PresenceRules
from services.room.recent import Recent
from services.room.rooms import HeldRoom
from services.room.waitlist import SILENCE_SECONDS
from tests.unit.room.given import NOW, ROOM, START, command, room, room_with

SECONDS = 10.0
CROWD = [f"u{number}" for number in range(90)]
POSTED = ("message_posted", {"message_id": "msg_1", "text": "hi"})


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time passes only when nothing else is to be done, and then at once."""

    seconds = 0.0

    def time(self):
        return self.seconds

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.seconds = max(self.seconds, self._scheduled[0].when())
        super()._run_once()


class History:
    """The barrier: keeps what is asked, and answers after `trip` seconds, or at an event; without a `trip` never. Where
    that is less than nothing, it says no."""

    answer_seconds = SECONDS

    def __init__(self, written, trip=0.04):
        self.written = written
        self.trip = trip
        self.trips = {}

    async def target(self, _, actor, seq, *, until):
        self.written.append(f"question {seq} of {actor}")
        await self._travel(until, self.trips.get(seq, self.trip))
        return TargetAnswer(message=MessageState(seq=seq, author="olga", posted_at=START))

    async def lookup(self, _, actor, command_id, *, until):
        self.written.append(f"lookup {command_id} of {actor}")
        await self._travel(until, self.trip)

    async def snapshot(self, name, *, until):
        self.written.append(f"load {name}")
        await self._travel(until, self.trip)
        return Snapshot(room=name, fence=1, state=room(room=name).to_state())

    async def _travel(self, until, trip):
        if isinstance(trip, asyncio.Event):
            await trip.wait()
            return
        left = until - asyncio.get_running_loop().time()
        if trip is None or trip >= left:
            await asyncio.sleep(max(left, 0))
            raise NothingHeard("silence")
        if trip < 0:
            raise NotAnswered("no")
        await asyncio.sleep(trip)


class Bench:
    """Inquiries as a term holds them: events are put to the channel when they are decided."""

    def __init__(self, held=None, trip=0.04, rooms_limit=100):
        self.written, self.ends, self.tasks = [], {}, set()
        self.history = History(self.written, trip)
        self.hall = Hall("w", PresenceRules(5, 10, 500), quiet_seconds=5, rooms_limit=rooms_limit, targets_limit=1000)
        self.hall.rooms.put(ROOM, HeldRoom(held or crowded(), 1, Recent()))
        loads = SimpleNamespace(loads=SimpleNamespace(labels=lambda *_: SimpleNamespace(inc=lambda: None)))
        self.inquiries = Inquiries(
            self.hall, self.history, loads, spawn=self.spawn, decide=self.decide, append=self.append
        )
        self.tags = 0

    def spawn(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)

    def decide(self, taken):
        self.append(self.hall.receive_order(taken.order, NOW, 0.0))

    def append(self, outcome):
        if outcome.tag is not None:
            self.ends[outcome.tag] = (outcome.word, asyncio.get_running_loop().time())
        if outcome.log is not None:
            self.written.append(f"event {outcome.tag}")

    def give(self, verb, actor, *, again=False, looked_up=False, **fields):
        """An order arrives; returns its tag."""
        self.tags += 1
        wish = command(verb, actor, command_id=f"k{self.tags}", **fields)
        order = Order(wish, self.tags, again=again, looked_up=looked_up)
        self.inquiries.receive(Taken(order, None))
        return self.tags

    def react(self, actor, seq=1, emoji="+1", **fields):
        return self.give("react", actor, seq=seq, emoji=emoji, **fields)

    def word(self, tag):
        return self.ends[tag][0]

    async def finish(self):
        """Until nothing is under way."""
        while pending := [task for task in self.tasks if not task.done()]:
            await asyncio.wait(pending)
        for task in self.tasks:
            task.result()


def crowded():
    members = [{"user": "olga", "role": "owner"}, *({"user": user, "role": "member"} for user in CROWD)]
    return room_with(POSTED, POSTED, members=members, capacity=500)


@pytest.fixture
def play():
    """Run a story in a time of its own."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        yield runner.run


def questions(bench):
    return [line for line in bench.written if line.startswith("question")]


class TestRounds:
    def test_a_popular_message_costs_two_trips_and_not_one_for_each_actor(self, play):
        async def story():
            bench = Bench(trip=0.04)
            tags = [bench.react(user) for user in CROWD]
            await bench.finish()
            assert {bench.word(tag) for tag in tags} == {"accepted"}
            assert len(questions(bench)) == len(CROWD)
            assert max(at for _, at in bench.ends.values()) <= 0.09

        play(story())

    def test_nothing_is_decided_about_a_message_while_any_question_about_it_is_under_way(self, play):
        async def story():
            bench = Bench()
            bench.react("u0")
            bench.react("u1")
            bench.react("u2")
            await asyncio.sleep(0.05)
            edit = bench.give("edit", "olga", seq=1, text="x")
            assert edit not in bench.ends
            await bench.finish()
            rounds = [line.split()[0] + line.split()[-1] for line in bench.written]
            assert rounds == ["question" + "u0", "event1", "questionu1", "questionu2", "event2", "event3", "event4"]

        play(story())

    def test_what_needs_no_answer_of_its_own_is_decided_before_the_next_round(self, play):
        async def story():
            bench = Bench()
            bench.react("u0")
            edit, late = bench.give("edit", "olga", seq=1, text="x"), bench.react("u1")
            await bench.finish()
            assert bench.written == [
                "question 1 of u0",
                "event 1",
                f"event {edit}",
                "question 1 of u1",
                f"event {late}",
            ]

        play(story())

    def test_a_question_is_written_behind_an_event_that_was_decided_before_in_the_same_step(self, play):
        """u1 waits for message 3 and means message 2 next; its answer comes in the round of the loop in which u0, who
        is known, reacts to message 2."""

        async def story():
            bench = Bench()
            bench.react("u0", seq=2)
            await bench.finish()
            answered = bench.history.trips[3] = asyncio.Event()
            bench.react("u1", seq=3)
            bench.react("u1", seq=2)
            await asyncio.sleep(0.01)
            asyncio.get_running_loop().call_soon(bench.react, "u0", 2, "again")
            answered.set()
            await bench.finish()
            assert bench.written.index("event 4") < bench.written.index("question 2 of u1")

        play(story())

    def test_an_actors_orders_stay_in_their_order_and_others_go_on(self, play):
        async def story():
            bench = Bench()
            bench.react("u0")
            bench.give("send", "u0", text="behind it")
            bench.give("send", "u1", text="not behind it")
            await bench.finish()
            assert [line for line in bench.written if "event" in line] == ["event 3", "event 1", "event 2"]

        play(story())

    def test_a_retry_is_looked_up_before_its_message_is_asked_for(self, play):
        async def story():
            bench = Bench()
            tag = bench.react("u0", again=True, retry=True)
            await bench.finish()
            assert bench.written == ["lookup k1 of u0", "question 1 of u0", f"event {tag}"]

        play(story())

    def test_i2_a_retry_that_was_applied_gets_its_answer_and_what_is_behind_it_goes_on(self, play):
        async def story():
            bench = Bench()

            async def lookup(name, _, command_id, *, until):
                return Accepted(command_id=command_id, room=name, epoch="e1", seq=3, at=START)

            bench.history.lookup = lookup
            tag, behind = bench.react("u0", again=True, retry=True), bench.give("send", "u0", text="hi")
            await bench.finish()
            assert (bench.word(tag), bench.word(behind)) == ("repeated", "accepted")
            assert bench.written == [f"event {behind}"]

        play(story())

    def test_a_room_with_a_question_stays_however_many_others_are_loaded(self, play):
        async def story():
            bench = Bench(rooms_limit=1)
            tag = bench.react("u0")
            bench.hall.rooms.put("other", HeldRoom(room(room="other"), 1, Recent()))
            await bench.finish()
            assert bench.word(tag) == "accepted"

        play(story())


class TestSilence:
    def test_a_crowd_that_means_one_message_is_refused_within_one_answer_time(self, play):
        async def story():
            bench = Bench(trip=None)
            tags = [bench.react(user) for user in CROWD]
            await bench.finish()
            assert [bench.ends[tag] for tag in tags] == [("overloaded", SECONDS)] * len(CROWD)
            assert len(questions(bench)) == 1

        play(story())

    def test_the_orders_of_one_actor_fail_with_the_first_but_for_those_that_want_nothing(self, play):
        async def story():
            bench = Bench(trip=None)
            wanting = [bench.react("u0", seq) for seq in (1, 2, 3)]
            sent = bench.give("send", "u0", text="hi")
            again = bench.react("u0", again=True, retry=True)
            await bench.finish()
            assert [bench.ends[tag] for tag in wanting] == [("overloaded", SECONDS)] * 3
            assert bench.ends[sent] == ("accepted", SECONDS)
            assert bench.ends[again] == ("no_answer", SECONDS)

        play(story())

    def test_many_slow_answers_do_not_add_up_beyond_the_time_of_an_order(self, play):
        async def story():
            bench = Bench(trip=4)
            tags = [bench.react("u0", seq) for seq in (1, 2, 3)]
            await bench.finish()
            assert [bench.ends[tag] for tag in tags] == [("accepted", 4), ("accepted", 8), ("overloaded", SECONDS)]

        play(story())

    def test_who_comes_later_waits_no_longer_than_the_question_that_fails(self, play):
        async def story():
            bench = Bench(trip=None)
            bench.react("u0")
            await asyncio.sleep(7)
            later = bench.react("u1")
            await bench.finish()
            assert bench.ends[later] == ("overloaded", SECONDS)
            bench.history.trip = 0.04
            anew = bench.react("u1")
            await bench.finish()
            assert bench.word(anew) == "accepted"
            assert bench.hall.rooms.find(ROOM).in_progress == len(bench.ends)

        play(story())

    def test_an_order_that_waited_before_is_refused_in_its_own_time_while_others_are_asked_for(self, play):
        async def story():
            bench = Bench(trip=6)
            bench.react("u0", seq=2)
            first = bench.react("u0", seq=1)
            await asyncio.sleep(5)
            opener, other = bench.react("u9", seq=1), bench.react("u1", seq=1)
            await bench.finish()
            assert bench.ends[first] == ("overloaded", SECONDS)
            assert bench.ends[opener] == ("accepted", 11)
            assert bench.ends[other] == ("overloaded", 15)

        play(story())

    def test_a_round_goes_on_without_one_whose_time_is_over(self, play):
        async def story():
            bench = Bench(trip=6)
            bench.react("u9", seq=1)
            bench.react("u0", seq=2)
            first = bench.react("u0", seq=1)
            await asyncio.sleep(3)
            other = bench.react("u1", seq=1)
            bench.history.trips[1] = 5
            await bench.finish()
            assert bench.ends[first] == ("overloaded", SECONDS)
            assert bench.ends[other] == ("accepted", 11)

        play(story())


class TestColdRooms:
    def test_a_warm_room_goes_on_while_many_cold_ones_cannot_be_loaded(self, play):
        async def story():
            bench, prefetch = Bench(trip=None), 16
            waiting = set()
            loop = asyncio.get_running_loop()
            sent_at = []
            for number in range(600):
                while len(waiting - bench.ends.keys()) >= prefetch:  # noqa: ASYNC110 - the time is the loop's own
                    await asyncio.sleep(0.1)
                if number % 2:
                    waiting.add(bench.give("inspect", "op", room=f"cold{number}"))
                else:
                    waiting.add(bench.give("send", "u0", text="hi"))
                    sent_at.append(loop.time())
                await asyncio.sleep(0.1)
            assert max(after - before for before, after in pairwise(sent_at[40:])) < 1
            assert loop.time() < 600 * 0.1 + SECONDS + 1
            await bench.finish()

        play(story())

    def test_one_load_at_a_time_finds_out_whether_history_is_back(self, play):
        async def story():
            bench = Bench(trip=None)
            bench.give("inspect", "op", room="r0")
            await bench.finish()
            at_once = bench.give("inspect", "op", room="r1")
            assert bench.word(at_once) == "overloaded"
            await asyncio.sleep(SILENCE_SECONDS)
            bench.history.trip = 3
            probe = bench.give("inspect", "op", room="r2")
            behind = [bench.give("inspect", "op", room=name) for name in ("r2", "r3")]
            assert [bench.word(tag) for tag in behind] == ["overloaded"] * 2
            await bench.finish()
            tags = [bench.give("inspect", "op", room=name) for name in ("r2", "r3", "r4")]
            await bench.finish()
            assert {bench.word(tag) for tag in (probe, *tags)} == {"accepted"}

        play(story())

    def test_who_takes_back_a_session_is_kept_behind_the_load_it_may_stand_in(self, play):
        async def story():
            bench, sessions = Bench(trip=8), [{"client": "g1/a", "user": "mia"}]
            bench.give("attach", "g1", room="r1", sessions=sessions)
            bench.inquiries._waitlist._silence.receive_failure("r0", 0)
            detach = bench.give("detach", "g1", room="r1", sessions=sessions)
            assert detach not in bench.ends
            await bench.finish()
            assert bench.word(detach) == "accepted"
            assert not bench.hall.sessions.holds("r1", "g1/a")

        play(story())

    def test_a_room_that_history_cannot_tell_is_no_silence(self, play):
        async def story():
            bench = Bench(trip=-1)
            bench.give("inspect", "op", room="broken")
            await bench.finish()
            bench.history.trip = 0.04
            tag = bench.give("inspect", "op", room="r1")
            await bench.finish()
            assert bench.word(tag) == "accepted"

        play(story())
