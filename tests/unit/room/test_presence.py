"""What is said of who is there: when, how often, what is never said, and what whoever listens believes in the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import limits
from schemas.commands import SaidStatus
from services.room.presence import ROOMS_AT_ONCE, Presence, PresenceRules

ROOM = "general"
GRACE = 5.0
AWAY = SaidStatus(state="away", mood="tired", text="back soon")
DND, HIDDEN, PLAIN = SaidStatus(state="dnd"), SaidStatus(state="offline"), SaidStatus(state="online")


def presence_of(*users, limit=500, at=0.0):
    """A presence that has begun, where these users are there and everybody knows."""
    presence = Presence(PresenceRules(grace_seconds=GRACE, per_second=10, limit=limit))
    presence.begin(at)
    for user in users:
        presence.come(ROOM, user, None)
    told(presence, at)
    return presence


def told(presence, now):
    """The changes in what is due now."""
    signals = presence.signals(now)
    return [summary(change) for signal in signals for change in signal.changes]


def summary(change):
    return " ".join(filter(None, [change.user, change.state.value, change.mood, change.text, change.reason]))


def seen(presence, room=ROOM):
    return list(presence.seen(room))


class TestComingAndGoing:
    def test_who_comes_is_said_to_be_online(self):
        presence = presence_of()
        presence.come(ROOM, "mia", None)
        [signal] = presence.signals(1.0)
        assert (signal.room, signal.online_count, signal.anew) == (ROOM, 1, False)
        assert [summary(change) for change in signal.changes] == ["mia online"]

    def test_another_session_of_who_is_there_is_no_news(self):
        presence = presence_of("mia")
        presence.come(ROOM, "mia", None)
        assert presence.signals(1.0) == []

    def test_who_goes_is_said_to_be_offline_after_a_grace(self):
        presence = presence_of("mia", "bob")
        presence.leave(ROOM, "mia", 10.0)
        assert (told(presence, 14.9), seen(presence)) == ([], ["mia", "bob"])
        assert presence.next_due() == 15.0
        [signal] = presence.signals(15.0)
        assert (summary(signal.changes[0]), signal.online_count) == ("mia offline", 1)

    def test_who_comes_back_within_the_grace_was_never_away(self):
        presence = presence_of("mia")
        presence.leave(ROOM, "mia", 10.0)
        presence.come(ROOM, "mia", None)
        assert told(presence, 15.0) == []
        assert presence.next_due() is None

    def test_who_goes_again_has_a_new_grace(self):
        presence = presence_of("mia")
        presence.leave(ROOM, "mia", 10.0)
        presence.come(ROOM, "mia", None)
        presence.leave(ROOM, "mia", 14.0)
        assert told(presence, 15.0) == []
        assert told(presence, 19.0) == ["mia offline"]

    def test_who_is_lost_with_a_gate_is_said_to_be_offline_at_once_and_why(self):
        presence = presence_of("mia", "bob")
        presence.lose(ROOM, "mia")
        assert told(presence, 1.0) == ["mia offline gate_lost"]

    def test_who_is_lost_and_back_before_it_was_said_was_never_away(self):
        presence = presence_of("mia")
        presence.lose(ROOM, "mia")
        presence.come(ROOM, "mia", None)
        assert told(presence, 1.0) == []

    def test_who_was_lost_came_back_and_went_is_not_said_to_be_lost(self):
        presence = presence_of("mia", "bob")
        presence.lose(ROOM, "mia")
        presence.come(ROOM, "mia", DND)
        presence.leave(ROOM, "mia", 0.0)
        assert told(presence, GRACE) == ["mia offline"]

    def test_of_who_is_no_member_any_more_nothing_is_said(self):
        presence = presence_of("mia", "bob")
        presence.lose(ROOM, "mia")
        presence.leave(ROOM, "bob", 0.0)
        presence.expel(ROOM, "mia")
        presence.expel(ROOM, "bob")
        presence.expel("unknown", "bob")
        assert (told(presence, 99.0), seen(presence)) == ([], [])


class TestStatus:
    def test_what_a_member_says_of_themselves_is_told(self):
        presence = presence_of("mia")
        presence.say(ROOM, "mia", AWAY)
        assert told(presence, 1.0) == ["mia away tired back soon"]
        presence.say(ROOM, "mia", PLAIN)
        assert told(presence, 2.0) == ["mia online"]

    def test_the_same_twice_and_what_was_taken_back_is_no_news(self):
        presence = presence_of("mia")
        presence.say(ROOM, "mia", AWAY)
        presence.say(ROOM, "mia", PLAIN)
        assert told(presence, 1.0) == []
        presence.say(ROOM, "mia", PLAIN)
        assert presence.next_due() is None

    def test_who_says_offline_is_hidden_and_not_counted_until_they_say_otherwise(self):
        presence = presence_of("mia", "bob")
        presence.say(ROOM, "mia", SaidStatus(state="offline", mood="sly", text="not here"))
        [signal] = presence.signals(1.0)
        assert (summary(signal.changes[0]), signal.online_count, seen(presence)) == ("mia offline", 1, ["bob"])
        presence.leave(ROOM, "mia", 1.0)
        presence.come(ROOM, "mia", None)
        presence.lose(ROOM, "mia")
        assert told(presence, 2.0) == []
        presence.come(ROOM, "mia", None)
        assert told(presence, 3.0) == ["mia online"]

    def test_a_status_lasts_through_the_grace_and_no_longer(self):
        presence = presence_of("mia")
        presence.say(ROOM, "mia", DND)
        assert told(presence, 1.0) == ["mia dnd"]
        presence.leave(ROOM, "mia", 1.0)
        presence.come(ROOM, "mia", None)
        assert told(presence, 6.0) == []
        presence.leave(ROOM, "mia", 10.0)
        assert told(presence, 15.0) == ["mia offline"]
        presence.come(ROOM, "mia", None)
        assert told(presence, 16.0) == ["mia online"]

    def test_a_status_of_who_is_not_there_is_nothing(self):
        presence = presence_of("bob")
        presence.say(ROOM, "mia", DND)
        presence.say("empty", "mia", DND)
        presence.come(ROOM, "mia", None)
        assert told(presence, 1.0) == ["mia online"]

    def test_what_a_gate_remembers_counts_only_where_the_room_knows_nothing(self):
        presence = presence_of("bob")
        presence.come(ROOM, "mia", AWAY)
        presence.come(ROOM, "bob", DND)
        assert told(presence, 1.0) == ["mia away tired back soon", "bob dnd"]
        presence.come(ROOM, "bob", AWAY)
        assert told(presence, 2.0) == []


class TestPace:
    def test_changes_within_a_tenth_of_a_second_are_one_signal(self):
        presence = presence_of()
        presence.come(ROOM, "mia", None)
        assert told(presence, 1.0) == ["mia online"]
        presence.come(ROOM, "bob", None)
        presence.come(ROOM, "eve", None)
        assert told(presence, 1.09) == []
        assert presence.next_due() == pytest.approx(1.1)
        assert told(presence, 1.11) == ["bob online", "eve online"]

    def test_a_grace_that_ends_just_behind_a_signal_waits_for_the_next_one(self):
        presence = presence_of("mia")
        presence.leave(ROOM, "mia", 10.0)
        presence.come(ROOM, "bob", None)
        assert told(presence, 14.95) == ["bob online"]
        assert told(presence, 15.0) == []
        assert told(presence, 15.06) == ["mia offline"]

    def test_rooms_do_not_wait_for_each_other(self):
        presence = presence_of()
        presence.come("r", "mia", None)
        presence.come("s", "mia", None)
        assert [signal.room for signal in presence.signals(1.0)] == ["r", "s"]

    def test_many_rooms_are_spoken_to_in_turns(self):
        presence = presence_of()
        for number in range(ROOMS_AT_ONCE + 1):
            presence.come(f"room-{number}", "mia", None)
        assert len(presence.signals(1.0)) == ROOMS_AT_ONCE
        assert len(presence.signals(1.0)) == 1

    def test_a_signal_names_a_thousand_at_most_and_the_next_one_the_others(self):
        presence = presence_of(limit=2_000)
        for number in range(1_001):
            presence.come(ROOM, f"u{number}", None)
        assert [len(told(presence, now)) for now in (10.0, 11.0, 12.0)] == [1_000, 1, 0]

    def test_a_signal_is_no_larger_than_a_frame(self):
        presence = presence_of(*(f"u{number}" for number in range(100)))
        long = SaidStatus(state="dnd", mood="m" * limits.MOOD_CHARACTERS, text="é" * limits.REASON_CHARACTERS)
        for number in range(100):
            presence.say(ROOM, f"u{number}", long)
        signals = [signal for now in (10.0, 11.0, 12.0) for signal in presence.signals(now)]
        assert max(len(signal.to_json()) for signal in signals) < limits.FRAME_BYTES * 1.1
        assert len({change.user for signal in signals for change in signal.changes}) == 100


class TestCrowds:
    def test_above_the_limit_only_the_count_is_told_and_only_when_it_changed(self):
        presence = presence_of("a", "b", limit=2)
        presence.come(ROOM, "c", None)
        [signal] = presence.signals(1.0)
        assert (signal.online_count, signal.changes, signal.anew) == (3, (), False)
        assert presence.is_crowded(ROOM)
        presence.say(ROOM, "a", DND)
        presence.lose(ROOM, "b")
        presence.come(ROOM, "d", None)
        assert presence.signals(2.0) == []
        assert presence.next_due() is None

    def test_an_expelled_one_changes_the_count_of_a_crowd(self):
        presence = presence_of("a", "b", "c", "d", limit=2)
        presence.expel(ROOM, "a")
        [signal] = presence.signals(1.0)
        assert (signal.online_count, signal.changes) == (3, ())

    def test_where_few_enough_are_there_again_all_of_them_are_named_anew(self):
        presence = presence_of("a", "b", "c", limit=2)
        presence.say(ROOM, "a", DND)
        presence.lose(ROOM, "c")
        [signal] = presence.signals(1.0)
        assert (signal.anew, signal.online_count) == (True, 2)
        assert [summary(change) for change in signal.changes] == ["a dnd", "b online"]
        assert not presence.is_crowded(ROOM)
        presence.come(ROOM, "d", None)
        [signal] = presence.signals(2.0)
        assert (signal.anew, signal.online_count, signal.changes) == (False, 3, ())
        assert not presence.is_crowded("unknown")


class TestTakeover:
    def test_nobody_is_spoken_of_before_it_begins_and_then_all_are_named_anew(self):
        presence = Presence(PresenceRules(grace_seconds=GRACE, per_second=10, limit=500))
        presence.come(ROOM, "mia", AWAY)
        presence.come(ROOM, "bob", None)
        presence.come(ROOM, "eve", HIDDEN)
        presence.leave(ROOM, "bob", 1.0)
        presence.begin(2.0)
        [signal] = presence.signals(2.0)
        assert (signal.anew, signal.online_count) == (True, 2)
        assert [summary(change) for change in signal.changes] == ["mia away tired back soon", "bob online"]
        presence.begin(3.0)
        assert told(presence, 3.0) == []
        assert told(presence, 6.0) == ["bob offline"]

    def test_what_is_said_before_the_gate_told_its_roster_is_not_lost(self):
        presence = Presence(PresenceRules(grace_seconds=GRACE, per_second=10, limit=500))
        presence.say(ROOM, "mia", DND)
        presence.say(ROOM, "nobody", DND)
        presence.come(ROOM, "mia", AWAY)
        presence.begin(2.0)
        assert told(presence, 2.0) == ["mia dnd"]
        presence.come(ROOM, "nobody", None)
        assert told(presence, 3.0) == ["nobody online"]

    def test_a_crowd_is_counted_also_when_nobody_knew_of_it(self):
        presence = Presence(PresenceRules(grace_seconds=GRACE, per_second=10, limit=2))
        for user in "abc":
            presence.come(ROOM, user, None)
        presence.begin(0.0)
        [signal] = presence.signals(0.0)
        assert (signal.online_count, signal.changes) == (3, ())

    def test_a_room_where_nobody_is_seen_any_more_hears_even_that(self):
        presence = Presence(PresenceRules(grace_seconds=GRACE, per_second=10, limit=2))
        presence.come(ROOM, "mia", HIDDEN)
        presence.begin(0.0)
        [signal] = presence.signals(0.0)
        assert (signal.anew, signal.online_count, signal.changes) == (True, 0, ())


def test_a_room_that_everybody_left_takes_no_place_but_keeps_its_pace():
    presence = presence_of("mia")
    presence.expel(ROOM, "mia")
    presence.come(ROOM, "mia", None)
    assert told(presence, 0.05) == []
    assert told(presence, 0.1) == ["mia online"]
    presence.expel(ROOM, "mia")
    assert presence.signals(1.0) == []
    assert presence.next_due() is None
    assert (seen(presence), len(presence)) == ([], 0)


def test_a_room_that_has_just_told_that_its_last_member_is_gone_keeps_its_pace():
    presence = presence_of("mia")
    presence.leave(ROOM, "mia", 1.0)
    assert told(presence, 1.0 + GRACE) == ["mia offline"]
    presence.come(ROOM, "mia", None)
    assert told(presence, 1.05 + GRACE) == []
    assert told(presence, 1.15 + GRACE) == ["mia online"]


USERS = st.sampled_from(["mia", "bob", "eve", "dan"])
STEPS = st.one_of(
    st.tuples(st.just("come"), USERS, st.sampled_from([None, AWAY, HIDDEN])),
    st.tuples(st.just("leave"), USERS),
    st.tuples(st.just("lose"), USERS),
    st.tuples(st.just("say"), USERS, st.sampled_from([AWAY, DND, HIDDEN, PLAIN])),
    st.tuples(st.just("wait"), st.floats(0.0, 3.0)),
)


class Listener:
    """Believes what it is told."""

    def __init__(self):
        self.beliefs = {}
        self.count = 0
        self.moments = []

    def hear(self, presence, now):
        for signal in presence.signals(now):
            self.moments.append(now)
            self.count = signal.online_count
            if signal.anew or not signal.changes:
                self.beliefs = {}
            for change in signal.changes:
                was, state = self.beliefs.pop(change.user, ("offline", "", "")), change.state.value
                now_is = (state, change.mood or "", change.text or "")
                assert signal.anew or was != now_is, "nothing is said twice"
                if state != "offline":
                    self.beliefs[change.user] = now_is


@given(st.lists(STEPS, max_size=60), st.booleans(), st.sampled_from([2, 500]))
def test_whoever_listens_knows_who_is_there_in_the_end_and_is_told_nothing_twice(steps, begins_late, limit):
    presence, listener, now, here = presence_of(limit=limit), Listener(), 0.0, set()
    if begins_late:
        presence = Presence(PresenceRules(grace_seconds=GRACE, per_second=10, limit=limit))
    for verb, *arguments in steps:
        match verb, arguments:
            case "wait", [seconds]:
                now += seconds
                listener.hear(presence, now)
            case "come", [user, said]:
                presence.come(ROOM, user, said)
                here.add(user)
            case "say", [user, said]:
                presence.say(ROOM, user, said)
            case "leave", [user] if user in here:
                presence.leave(ROOM, user, now)
                here.discard(user)
            case "lose", [user] if user in here:
                presence.lose(ROOM, user)
                here.discard(user)
    presence.begin(now)
    while (due := presence.next_due()) is not None:
        now = max(now, due)
        listener.hear(presence, now)
    expected = {user: presence.view(ROOM, user) for user in presence.seen(ROOM)}
    assert set(expected) <= here
    assert listener.count == len(expected)
    if len(expected) <= limit:
        assert listener.beliefs == {user: (view.state.value, view.mood, view.text) for user, view in expected.items()}
    assert all(
        later - earlier >= 0.0999 for earlier, later in zip(listener.moments, listener.moments[1:], strict=False)
    )
