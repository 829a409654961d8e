"""The durable queues and exchanges as data."""

from collections import Counter

import pytest

from schemas import routes
from schemas.ids import RoomId
from schemas.topology import EXCHANGES, gate_queue_arguments, queues


@pytest.mark.parametrize("shards", [1, 8, 64])
def test_each_bucket_is_bound_to_one_command_queue_and_one_history_queue(shards):
    bound = Counter(
        (binding.exchange, binding.key)
        for queue in queues(shards)
        if ".shard." in queue.name
        for binding in queue.bindings
    )
    words = [routes.bucket_word(number) for number in range(64)]
    wanted = [(routes.COMMANDS, f"room.{word}.#") for word in words]
    wanted += [(routes.LOG, f"{kind}.{word}.#") for word in words for kind in ("room", "query")]
    assert bound == Counter(wanted)


def test_every_binding_names_a_declared_exchange():
    declared = {exchange.name for exchange in EXCHANGES}
    assert {binding.exchange for queue in queues(8) for binding in queue.bindings} <= declared


def test_queues_with_one_active_consumer_park_what_comes_back_too_often_but_never_what_was_accepted():
    worked = [queue for queue in queues(8) if queue.arguments.get("x-single-active-consumer")]
    assert len(worked) == 8 + 8 + 1
    for queue in worked:
        assert queue.arguments["x-queue-type"] == "quorum"
        limits = {"room": 20, "history": 1_000_000_000, "gateway": 100}
        assert queue.arguments["x-delivery-limit"] == limits[queue.name.split(".")[0]]
        assert queue.arguments["x-dead-letter-exchange"] == routes.PARKED
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"


def test_every_durable_queue_has_a_bound_and_refuses_or_drops_by_it():
    for queue in queues(8):
        assert queue.arguments["x-max-length"] > 0
        assert queue.arguments["x-overflow"] == (
            "drop-head" if queue.name == routes.QUERIES_QUEUE else "reject-publish"
        )


def test_what_is_parked_may_be_looked_at_as_often_as_operators_like():
    (parked,) = (queue for queue in queues(8) if queue.name == routes.PARKED_QUEUE)
    assert parked.arguments["x-delivery-limit"] == 1_000_000_000


def test_a_commands_bucket_leads_to_its_shards_queue():
    room = RoomId("general")
    queue = next(queue for queue in queues(8) if queue.name == routes.room_queue(routes.shard_of(room, 8)))
    assert f"room.{routes.bucket_word(routes.bucket(room))}.#" in {binding.key for binding in queue.bindings}


def test_a_shard_count_that_does_not_divide_the_buckets_is_refused():
    with pytest.raises(ValueError, match="divisor of 64"):
        queues(7)


def test_a_gates_queue_is_bounded_and_drops_the_oldest():
    assert gate_queue_arguments(10_000) == {"x-max-length": 10_000, "x-overflow": "drop-head"}
