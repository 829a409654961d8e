"""What grows is told from samples, also where a process ends and another takes its place."""

from tests.reliability.upkeep import (
    Growth,
    Held,
    Sample,
    growth_of_processes,
    growth_of_queues,
    growth_of_slots,
    most_waiting,
    with_gates_as_one,
)

EARLY, WARM_SECONDS = 20.0, 20.0


def samples_of(*held, waiting=None):
    """One a second."""
    return [Sample(float(at), {"room 1": each} if each else {}, waiting) for at, each in enumerate(held)]


def grows(pid, start, step, seconds):
    return [Held(pid, start + step * second) for second in range(seconds)]


def test_a_process_that_grows_is_found():
    samples = samples_of(*grows(7, 100.0, 1.0, 60))
    assert growth_of_processes(samples, EARLY, WARM_SECONDS) == {"room 1, process 7": Growth(122.0, 157.0)}
    assert growth_of_slots(samples, EARLY) == {"room 1": Growth(120.0, 157.0)}


def test_a_process_that_takes_the_place_of_another_is_compared_with_itself_once_it_is_warm():
    samples = samples_of(*grows(7, 100.0, 0.0, 30), None, None, *grows(8, 50.0, 1.0, 50))
    assert growth_of_processes(samples, EARLY, WARM_SECONDS) == {
        "room 1, process 7": Growth(100.0, 100.0),
        "room 1, process 8": Growth(72.0, 97.0),
    }


def test_a_process_that_grew_before_it_was_killed_is_found():
    samples = samples_of(*grows(7, 100.0, 1.0, 50), *grows(8, 50.0, 0.0, 50))
    assert growth_of_processes(samples, EARLY, WARM_SECONDS)["room 1, process 7"] == Growth(122.0, 147.0)
    assert growth_of_slots(samples, EARLY) == {"room 1": Growth(120.0, 50.0)}


def test_who_was_never_seen_early_is_not_told_as_well():
    assert growth_of_slots(samples_of(*[None] * 30, *grows(7, 100.0, 0.0, 30)), EARLY) == {}


def test_gates_are_told_together_and_only_where_all_of_them_are_there():
    both = {"gateway 1": Held(7, 60.0), "gateway 2": Held(8, 40.0), "room 1": Held(9, 80.0)}
    samples = [Sample(0.0, both, None), Sample(1.0, {"gateway 2": Held(8, 90.0)}, None)]
    assert [each.held for each in with_gates_as_one(samples)] == [
        {"room 1": Held(9, 80.0), "all gates": Held(0, 100.0)},
        {},
    ]


def test_a_queue_that_holds_more_and_more_grows_and_one_that_was_held_up_does_not():
    samples = [Sample(at, {}, {"a": 10 * at, "b": 900 if at in (3, 17) else 0}) for at in range(18)]
    assert growth_of_queues(samples) == {"a": Growth(25, 145), "b": Growth(0, 0)}
    assert most_waiting(samples) == 900


def test_samples_without_the_broker_say_nothing_of_its_queues():
    assert growth_of_queues([Sample(at, {}, None) for at in range(18)]) == {}
    assert most_waiting([Sample(0.0, {}, None)]) == 0
