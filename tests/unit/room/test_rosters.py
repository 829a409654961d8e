"""Rosters that are owed, and how long presence waits for them."""

from services.room.rosters import Rosters


def rosters_of_a_writer():
    rosters = Rosters()
    rosters.listen(until=0)
    return rosters


def test_a_gate_owes_until_all_that_stood_before_its_end_was_decided():
    rosters = rosters_of_a_writer()
    rosters.ask("g1", until=10)
    rosters.receive_delivery(tag=4)
    rosters.receive_done("g1", deliveries_before=1)
    rosters.receive_decided(tag=4)
    assert rosters.owing() == ["g1"]
    rosters.receive_delivery(tag=7)
    assert rosters.owing() == ["g1"]
    rosters.receive_decided(tag=7)
    assert rosters.owing() == []


def test_an_attach_that_waits_for_its_room_keeps_its_gate_owing_whatever_was_decided_behind_it():
    rosters = rosters_of_a_writer()
    rosters.ask("g1", until=10)
    for tag in (1, 2, 3):
        rosters.receive_delivery(tag)
    rosters.receive_done("g1", deliveries_before=0)
    rosters.receive_decided(tag=2)
    rosters.receive_decided(tag=3)
    assert rosters.owing() == ["g1"]
    rosters.receive_decided(tag=1)
    assert rosters.owing() == []


def test_what_came_behind_the_end_of_a_roster_keeps_nobody_owing():
    rosters = rosters_of_a_writer()
    rosters.ask("g1", until=10)
    rosters.receive_delivery(tag=1)
    rosters.receive_done("g1", deliveries_before=0)
    rosters.receive_delivery(tag=2)
    rosters.receive_decided(tag=1)
    assert rosters.owing() == []


def test_nothing_before_it_and_it_counts_at_once():
    rosters = rosters_of_a_writer()
    rosters.ask("g1", until=10)
    rosters.ask("g2", until=10)
    rosters.receive_done("g1", deliveries_before=0)
    assert rosters.owing() == ["g2"]


def test_presence_waits_for_a_gate_only_so_long_but_fan_outs_include_it_until_it_has_answered():
    rosters = rosters_of_a_writer()
    rosters.ask("g1", until=10)
    assert rosters.overdue(now=9.9, until=20) == []
    assert rosters.awaits_any(now=9.9)
    assert rosters.overdue(now=10, until=20) == ["g1"]
    assert not rosters.awaits_any(now=10)
    assert rosters.owing() == ["g1"]
    assert rosters.overdue(now=19, until=30) == []
    assert rosters.overdue(now=20, until=30) == ["g1"]


def test_a_gate_that_has_told_all_is_not_asked_again_until_it_was_gone():
    rosters = rosters_of_a_writer()
    rosters.receive_done("g1", deliveries_before=3)
    assert not rosters.ask("g1", until=10)
    assert rosters.owing() == []
    rosters.forget("g1")
    assert rosters.ask("g1", until=10)
    assert rosters.owing() == ["g1"]


def test_presence_waits_until_a_worker_is_the_writer_and_has_had_time_to_hear_of_every_gate():
    rosters = Rosters()
    assert rosters.awaits_any(now=1e9)
    rosters.listen(until=10)
    assert rosters.awaits_any(now=9.9)
    assert not rosters.awaits_any(now=10)


def test_presence_waits_no_longer_for_a_gate_that_is_gone():
    rosters = rosters_of_a_writer()
    rosters.ask("g1", until=10)
    rosters.forget("g1")
    assert not rosters.awaits_any(now=1)


def test_deliveries_count_for_nobody_where_no_roster_has_come_to_its_end():
    rosters = rosters_of_a_writer()
    rosters.ask("g1", until=10)
    rosters.receive_delivery(tag=1)
    rosters.receive_decided(tag=1)
    assert rosters.owing() == ["g1"]
