"""Who holds a session of what: attaches, detaches, late ones among them, gates that go and users that are expelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.room.sessions import Attached, Sessions

TAKEN, LATE = Attached(taken=True), Attached(taken=False)


def sessions_of(*attaches):
    sessions = Sessions()
    for room, client, user in attaches:
        sessions.attach(room, client, user, 1)
    return sessions


def test_a_user_is_there_with_the_first_session_and_until_the_last_one_ends():
    sessions = sessions_of(("r", "g1/a", "mia"), ("r", "g2/b", "mia"))
    assert (sessions.users("r"), sessions.gates("r")) == (["mia"], ["g1", "g2"])
    assert sessions.detach("r", "g1/a", 1) is None
    assert (sessions.users("r"), sessions.gates("r")) == (["mia"], ["g2"])
    assert sessions.detach("r", "g2/b", 1) == "mia"
    assert (sessions.users("r"), sessions.gates("r"), sessions.all_gates()) == ([], [], [])


def test_a_late_detach_cannot_undo_a_newer_attach():
    sessions = Sessions()
    sessions.attach("r", "g1/a", "mia", 1)
    sessions.attach("r", "g1/a", "mia", 2)
    assert sessions.detach("r", "g1/a", 1) is None
    assert sessions.holds("r", "g1/a")
    assert sessions.detach("r", "g1/a", 2) == "mia"


def test_a_late_attach_cannot_undo_a_newer_one_either():
    sessions = Sessions()
    sessions.attach("r", "g1/a", "mia", 2)
    assert sessions.attach("r", "g1/a", "bob", 1) == LATE
    assert sessions.users("r") == ["mia"]
    assert sessions.detach("r", "g1/a", 1) is None


def test_the_roster_of_a_gate_repeats_its_attaches_as_they_were():
    sessions = sessions_of(("r", "g1/a", "mia"))
    assert sessions.attach("r", "g1/a", "mia", 1) == TAKEN
    assert sessions.detach("r", "g1/a", 1) == "mia"


@pytest.mark.parametrize(("room", "client"), [("r", "g1/b"), ("r", "g2/a"), ("other", "g1/a")])
def test_a_detach_of_a_session_that_is_not_there_is_ignored(room, client):
    sessions = sessions_of(("r", "g1/a", "mia"), ("s", "g2/c", "bob"))
    assert sessions.detach(room, client, 9) is None
    assert sessions.holds("r", "g1/a")
    assert sorted(sessions.all_gates()) == ["g1", "g2"]


def test_a_client_that_speaks_for_another_user_now_is_that_users():
    sessions = sessions_of(("r", "g1/a", "mia"))
    assert sessions.attach("r", "g1/a", "bob", 2) == Attached(taken=True, gone="mia")
    assert sessions.users("r") == ["bob"]


def test_whose_client_went_to_another_user_is_there_by_another_one():
    sessions = sessions_of(("r", "g1/a", "mia"), ("r", "g2/b", "mia"))
    assert sessions.attach("r", "g1/a", "bob", 2) == TAKEN
    assert sessions.users("r") == ["mia", "bob"]


def test_a_gate_takes_all_its_sessions_with_it():
    sessions = sessions_of(
        ("r", "g1/a", "mia"), ("r", "g2/b", "mia"), ("r", "g1/c", "bob"), ("s", "g1/d", "eve"), ("s", "g1/e", "eve")
    )
    assert sessions.drop_gate("g1") == [("r", "bob"), ("s", "eve")]
    assert (sessions.gates("r"), sessions.gates("s"), sessions.all_gates()) == (["g2"], [], ["g2"])
    assert sessions.drop_gate("g1") == []


def test_an_expelled_user_has_no_session_left_in_that_room():
    sessions = sessions_of(
        ("r", "g1/a", "mia"), ("r", "g2/b", "mia"), ("r", "g1/c", "bob"), ("s", "g1/d", "mia"), ("t", "g3/e", "mia")
    )
    sessions.expel("r", "mia")
    sessions.expel("t", "mia")
    assert (sessions.users("r"), sessions.gates("r")) == (["bob"], ["g1"])
    assert (sessions.users("s"), sessions.users("t"), sessions.all_gates()) == (["mia"], [], ["g1"])
    sessions.expel("r", "mia")
    sessions.expel("unknown", "mia")


def test_sessions_are_counted_by_gate():
    sessions = sessions_of(("r", "g1/a", "mia"), ("r", "g1/b", "bob"), ("r", "g2/c", "mia"))
    assert sessions.counts("r") == {"g1": 2, "g2": 1}
    assert sessions.counts("unknown") == {}


class Naive:
    """What sessions mean, in the plainest way: a set of (room, client, user, ref)."""

    def __init__(self):
        self.held = set()

    def attach(self, room, client, user, ref):
        before = self._find(room, client)
        if any(held[3] > ref for held in before):
            return LATE
        self.held = (self.held - before) | {(room, client, user, ref)}
        gone = [held[2] for held in before if held[2] not in self.users(room)]
        return Attached(taken=True, gone=gone[0] if gone else None)

    def detach(self, room, client, ref):
        before = {held for held in self._find(room, client) if held[3] <= ref}
        self.held -= before
        gone = [held[2] for held in before if held[2] not in self.users(room)]
        return gone[0] if gone else None

    def expel(self, room, user):
        self.held = {held for held in self.held if (held[0], held[2]) != (room, user)}

    def drop_gate(self, gate):
        left = {held for held in self.held if held[1].split("/")[0] != gate}
        gone = {(held[0], held[2]) for held in self.held} - {(held[0], held[2]) for held in left}
        self.held = left
        return sorted(gone)

    def users(self, room):
        return {held[2] for held in self.held if held[0] == room}

    def gates(self, room):
        return {held[1].split("/")[0] for held in self.held if held[0] == room}

    def _find(self, room, client):
        return {held for held in self.held if held[:2] == (room, client)}


ROOMS, GATES, USERS = st.sampled_from("rs"), st.sampled_from(["g1", "g2"]), st.sampled_from(["mia", "bob"])
CLIENTS, REFS = st.builds("{}/{}".format, GATES, st.sampled_from("ab")), st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("attach"), ROOMS, CLIENTS, USERS, REFS),
    st.tuples(st.just("detach"), ROOMS, CLIENTS, REFS),
    st.tuples(st.just("expel"), ROOMS, USERS),
    st.tuples(st.just("drop_gate"), GATES),
)


@given(st.lists(STEPS, max_size=40))
def test_sessions_are_a_set_of_room_client_user_and_ref(steps):
    sessions, naive = Sessions(), Naive()
    for verb, *arguments in steps:
        told, expected = getattr(sessions, verb)(*arguments), getattr(naive, verb)(*arguments)
        assert (sorted(told) if verb == "drop_gate" else told) == expected
        for room in "rs":
            assert set(sessions.users(room)) == naive.users(room)
            assert set(sessions.gates(room)) == naive.gates(room)
            assert sum(sessions.counts(room).values()) == len([held for held in naive.held if held[0] == room])
            for client in ["g1/a", "g1/b", "g2/a", "g2/b"]:
                assert sessions.holds(room, client) == any(held[:2] == (room, client) for held in naive.held)
        assert set(sessions.all_gates()) == naive.gates("r") | naive.gates("s")
