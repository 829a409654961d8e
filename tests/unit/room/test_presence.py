"""Sessions, leases of gates, and rosters that are owed."""

from hypothesis import given
from hypothesis import strategies as st

from services.room.presence import Gates, Rosters, Sessions


class TestSessions:
    def test_only_the_first_session_of_a_user_is_news(self):
        sessions = Sessions()
        assert sessions.attach("r", "g1/a", "mia")
        assert not sessions.attach("r", "g2/b", "mia")
        assert not sessions.attach("r", "g1/a", "mia")
        assert sessions.online("r") == ["mia"]
        assert sessions.gates("r") == ["g1", "g2"]

    def test_only_the_last_session_of_a_user_is_news_when_it_ends(self):
        sessions = Sessions()
        sessions.attach("r", "g1/a", "mia")
        sessions.attach("r", "g2/b", "mia")
        assert sessions.detach("r", "g1/a") is None
        assert sessions.gates("r") == ["g2"]
        assert sessions.detach("r", "g2/b") == "mia"
        assert (sessions.gates("r"), sessions.online("r")) == ([], [])

    def test_a_stale_detach_of_an_unknown_client_is_ignored(self):
        sessions = Sessions()
        assert sessions.detach("r", "g1/a") is None
        sessions.attach("r", "g1/a", "mia")
        assert sessions.detach("r", "g1/b") is None
        assert sessions.detach("other", "g1/a") is None
        assert sessions.holds("r", "g1/a")

    def test_a_client_that_speaks_for_another_user_now_is_that_users(self):
        sessions = Sessions()
        sessions.attach("r", "g1/a", "mia")
        assert sessions.attach("r", "g1/a", "bob")
        assert sessions.online("r") == ["bob"]

    def test_a_gate_takes_all_its_sessions_with_it(self):
        sessions = Sessions()
        sessions.attach("r", "g1/a", "mia")
        sessions.attach("r", "g2/b", "mia")
        sessions.attach("r", "g1/c", "bob")
        sessions.attach("s", "g1/d", "eve")
        assert sessions.drop_gate("g1") == [("r", "bob"), ("s", "eve")]
        assert (sessions.gates("r"), sessions.gates("s")) == (["g2"], [])
        assert sessions.drop_gate("g1") == []

    def test_an_expelled_user_has_no_session_left_in_that_room(self):
        sessions = Sessions()
        for room, client, user in [
            ("r", "g1/a", "mia"),
            ("r", "g2/b", "mia"),
            ("r", "g1/c", "bob"),
            ("s", "g1/d", "mia"),
        ]:
            sessions.attach(room, client, user)
        sessions.expel("r", "mia")
        assert not sessions.is_online("r", "mia")
        assert sessions.is_online("s", "mia")
        assert sessions.gates("r") == ["g1"]
        sessions.expel("unknown", "mia")

    @given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("mn"))))
    def test_what_is_told_as_news_always_agrees_with_who_is_there(self, steps):
        sessions, told, clients = Sessions(), set(), {}
        for arrives, gate, unique, user in steps:
            client = f"{gate}/{unique}{user}"
            if arrives:
                clients[client] = user
                if sessions.attach("r", client, user):
                    told.add(user)
            else:
                clients.pop(client, None)
                told.discard(sessions.detach("r", client))
            assert told == set(sessions.online("r")) == set(clients.values())
            assert set(sessions.gates("r")) == {name[0] for name in clients}


class TestGates:
    def test_three_missed_heartbeats_and_a_gate_is_gone(self):
        gates = Gates()
        assert gates.receive_heartbeat("g1", 5, now=100)
        assert not gates.receive_heartbeat("g1", 5, now=105)
        assert gates.expire(now=119.9) == []
        assert gates.alive() == ["g1"]
        assert gates.expire(now=120) == ["g1"]
        assert gates.alive() == []

    def test_when_nothing_can_be_heard_nobody_is_gone(self):
        gates = Gates()
        gates.receive_heartbeat("g1", 5, now=100)
        gates.receive_silence(now=200)
        assert gates.expire(now=214) == []
        assert gates.expire(now=215) == ["g1"]

    def test_a_gate_that_says_good_bye_is_gone_at_once_and_news_when_it_returns(self):
        gates = Gates()
        gates.receive_heartbeat("g1", 5, now=100)
        assert gates.receive_gone("g1")
        assert not gates.receive_gone("g1")
        assert gates.receive_heartbeat("g1", 5, now=101)


class TestRosters:
    def test_a_gate_owes_until_all_that_stood_before_its_end_was_taken_up(self):
        rosters = Rosters()
        rosters.ask("g1", until=10)
        rosters.receive_done("g1", deliveries_before=2)
        rosters.receive_delivery()
        assert rosters.owing() == ["g1"]
        rosters.receive_delivery()
        assert rosters.owing() == []

    def test_nothing_before_it_and_it_counts_at_once(self):
        rosters = Rosters()
        rosters.ask("g1", until=10)
        rosters.ask("g2", until=10)
        rosters.receive_done("g1", deliveries_before=0)
        assert rosters.owing() == ["g2"]

    def test_presence_waits_for_a_gate_only_so_long_but_fan_outs_include_it_until_it_has_answered(self):
        rosters = Rosters()
        rosters.ask("g1", until=10)
        assert rosters.overdue(now=9.9, until=20) == []
        assert rosters.awaits("g1")
        assert rosters.overdue(now=10, until=20) == ["g1"]
        assert not rosters.awaits_any()
        assert rosters.owing() == ["g1"]
        assert rosters.overdue(now=19, until=30) == []
        assert rosters.overdue(now=20, until=30) == ["g1"]

    def test_a_gate_that_has_told_all_is_not_asked_again_until_it_was_gone(self):
        rosters = Rosters()
        rosters.receive_done("g1", deliveries_before=3)
        assert not rosters.ask("g1", until=10)
        assert rosters.owing() == []
        rosters.forget("g1")
        assert rosters.ask("g1", until=10)
        assert rosters.owing() == ["g1"]
