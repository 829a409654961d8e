"""A goal is reached, missed or not measured; nothing else, and never by a figure that is not there."""

import pytest

from benchmarks.goals import (
    GOALS,
    Bound,
    against,
    at_least,
    at_most,
    broker_messages,
    constant_bindings,
    latency,
    levelled,
    storm_reads,
    worst_against,
)
from benchmarks.sample import LIMIT, OURS, SOCKETIO
from tests.unit.benchmarks.series import series

CASE = {"clients": 1_000}
BOUNDS = (Bound(LIMIT, most=1.15), Bound(SOCKETIO, most=0.2))


def fanout(ours, limit, peer):
    rows = [(who, CASE, {"us": us}) for who, us in ((OURS, ours), (LIMIT, limit), (SOCKETIO, peer))]
    return {"fanout": series("fanout", *rows)}


@pytest.mark.parametrize(("ours", "limit", "peer", "reached"), [(9, 8, 45, True), (9, 7, 45, False), (9, 8, 44, False)])
def test_every_bound_must_hold(ours, limit, peer, reached):
    found = against(fanout(ours, limit, peer), "fanout", "us", CASE, BOUNDS)
    assert (found.reached, found.ours, found.limit, found.peer) == (reached, ours, limit, peer)
    assert found.ratios == ((ours / limit, LIMIT), (ours / peer, SOCKETIO))


def test_without_one_of_the_others_nothing_is_said():
    only_ours = {"fanout": series("fanout", (OURS, CASE, {"us": 1}))}
    assert against(only_ours, "fanout", "us", CASE, BOUNDS) is None


@pytest.mark.parametrize(("bound", "ours"), [(Bound(LIMIT, most=1.5), 4), (Bound(LIMIT, least=0.5), 1)])
def test_the_worst_case_counts(bound, ours):
    rows = [(OURS, {"rooms": rooms}, {"v": each}) for rooms, each in ((1, 1), (200, 4), (500, 3))]
    rows += [(LIMIT, {"rooms": rooms}, {"v": 2}) for rooms in (1, 200, 500)]
    assert worst_against({"s": series("s", *rows)}, "s", "v", bound).ours == ours


@pytest.mark.parametrize(("value", "most", "least"), [(11, True, False), (12, True, True), (13, False, True)])
def test_a_number_is_a_bound_that_may_be_met(value, most, least):
    measured = {"s": series("s", (OURS, CASE, {"v": value}))}
    assert at_most(measured, "s", "v", CASE, 12).reached is most
    assert at_least(measured, "s", "v", CASE, 12).reached is least


@pytest.mark.parametrize(("ours", "peer", "reached"), [(4, 5, True), (4, 3, False), (6, 7, False)])
def test_a_latency_must_be_below_its_number_and_the_peers(ours, peer, reached):
    rows = [(who, {"rate": 200}, {"p50": ms}) for who, ms in ((OURS, ours), (SOCKETIO, peer), (LIMIT, 2))]
    found = latency({"end_to_end": series("end_to_end", *rows)}, "p50", 5)
    assert (found.reached, found.limit) == (reached, 2)


def test_a_latency_that_no_peer_was_held_against_says_nothing():
    measured = {"end_to_end": series("end_to_end", (OURS, {"rate": 200}, {"p50": 4}))}
    assert latency(measured, "p50", 5) is None


def test_a_worst_case_says_nothing_while_the_other_was_not_measured_in_every_case():
    rows = [(OURS, {"rooms": rooms}, {"v": 1}) for rooms in (1, 200)] + [(LIMIT, {"rooms": 1}, {"v": 1})]
    assert worst_against({"s": series("s", *rows)}, "s", "v", Bound(LIMIT, most=1.5)) is None


@pytest.mark.parametrize(("many", "reached"), [(12, True), (13, False)])
def test_a_delivery_to_many_costs_little_more_than_one_to_fewer(many, reached):
    rows = [
        (OURS, {"clients": clients, "mode": "steady"}, {"cpu_us_per_delivery": us})
        for clients, us in ((500, 10), (5_000, many))
    ]
    assert levelled({"fanout": series("fanout", *rows)}, "steady").reached is reached


def growth(*points):
    values = ("broker_messages_per_message", "bindings")
    rows = [
        (OURS, {"curve": curve, "size": size}, dict(zip(values, found, strict=True))) for curve, size, *found in points
    ]
    return {"growth": series("growth", *rows)}


def curves(**last):
    """Four curves of two points, of which a test changes the last."""
    usual = {"clients": (5_000, 2, 70), "rooms": (100, 2, 70), "members": (100, 2, 70), "gates": (4, 5, 73)}
    firsts = [(curve, 1, 2, 70) for curve in usual]
    return [*firsts, *((curve, *found) for curve, found in (usual | last).items())]


def test_a_message_costs_one_broker_message_for_each_gate_and_one_for_the_log():
    assert broker_messages(growth(*curves())).reached
    missed = broker_messages(growth(*curves(gates=(4, 6, 73))))
    assert (missed.reached, missed.ours) == (False, 6)


def test_bindings_are_constant_when_only_gates_add_some():
    assert constant_bindings(growth(*curves())).reached
    assert not constant_bindings(growth(*curves(rooms=(100, 2, 71)))).reached


@pytest.mark.parametrize("read", [broker_messages, constant_bindings])
@pytest.mark.parametrize("curve", ["clients", "rooms", "members"])
def test_a_curve_of_one_point_says_nothing(read, curve):
    points = [point for point in curves() if point[:2] != (curve, 1)]
    assert read(growth(*points)) is None


def test_one_storm_that_read_history_misses_the_goal():
    case = {"clients": 2_000, "rooms": 1}
    storms = [(OURS, case, {"history_replays": count}) for count in (0, 0, 1)]
    assert storm_reads({"resume_storm": series("resume_storm", *storms)}).ours == 1
    assert storm_reads({"resume_storm": series("resume_storm", *storms[:2])}).reached


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.what)
def test_a_goal_says_nothing_while_nothing_is_measured(goal):
    assert goal.read({}) is None
    names = ("fanout", "end_to_end", "growth", "room_worker", "history_writer", "attaches", "idle", "resume_storm")
    assert goal.read({name: series(name) for name in names}) is None
