"""Names of the broker. The buckets are constants worked out by other programs: the rule holds for ever."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import routes
from schemas.commands import COMMANDS
from schemas.ids import GateId, RoomId

ROOMS = st.from_regex(r"[A-Za-z0-9_:-]{1,64}", fullmatch=True).map(RoomId)
VERBS = st.sampled_from(sorted(COMMANDS))
DIVISORS = [1, 2, 4, 8, 16, 32, 64]


@pytest.mark.parametrize(
    ("room", "bucket"),
    [
        ("123456789", 38),  # 0xCBF43926 % 64, the check value of CRC-32 itself
        ("general", 10),
        ("tech-support", 13),
        ("a", 3),
        ("room:1", 16),
        ("A-Z_09", 47),
        ("direct:alice-bob", 25),
        ("z" * 64, 32),
    ],
)
def test_the_bucket_of_a_room_never_changes(room, bucket):
    assert routes.bucket(RoomId(room)) == bucket


@given(ROOMS)
def test_a_bucket_is_one_of_64_and_written_with_two_digits(room):
    assert 0 <= routes.bucket(room) < 64
    assert routes.bucket_word(routes.bucket(room)) == f"{crc32(room.encode()) % 64:02d}"


@given(room=ROOMS, verb=VERBS)
def test_a_command_key_reads_back(room, verb):
    assert routes.read_command_key(routes.command_key(room, verb)) == (room, verb)


@given(room=ROOMS, verb=VERBS)
def test_an_inbox_key_reads_back(room, verb):
    assert routes.read_inbox_key(routes.inbox_key(room, verb)) == (room, verb)


@given(st.text(max_size=40))
def test_any_key_is_read_or_refused_and_never_raises(key):
    for read, write in (
        (routes.read_command_key, routes.command_key),
        (routes.read_inbox_key, routes.inbox_key),
    ):
        route = read(key)
        assert route is None or write(*route) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "room",
        "room.10.general",
        "room.11.general.send",
        "room.010.general.send",
        "room.xx.general.send",
        "rooms.10.general.send",
        "room.10.general.send.more",
        "room.00..send",
        "room.10.gener al.send",
        "room.10.\ud800.send",
        "query.10.general",
    ],
)
def test_a_key_with_a_wrong_bucket_or_shape_is_no_command_key(key):
    assert routes.read_command_key(key) is None


@pytest.mark.parametrize(
    "key", ["", "room.general", "room.10.general.send", "room..send", "room.a b.send", "log.a.send"]
)
def test_a_key_of_another_shape_is_no_inbox_key(key):
    assert routes.read_inbox_key(key) is None


def test_the_keys_of_a_room_are_spelled_as_the_contract_says():
    room = RoomId("general")
    assert routes.command_key(room, "send") == "room.10.general.send"
    assert routes.inbox_key(room, "send") == "room.general.send"
    assert routes.log_key(room, "message_posted") == "room.10.general.message_posted"
    assert routes.query_key(room) == "query.10.general"


def test_a_census_reaches_the_queue_of_its_shard_and_names_no_room():
    for shard in range(8):
        key = routes.census_key(shard, 8)
        assert int(key.split(".")[1]) in routes.shard_buckets(shard, 8)
        assert routes.is_census_key(key)
        assert routes.read_command_key(key) is None


@pytest.mark.parametrize("key", ["room.07.general.census", "room.07.census.send", "census", ".census", ""])
def test_other_keys_are_no_census(key):
    assert not routes.is_census_key(key)


def test_the_names_of_a_gate_a_worker_and_a_shard_are_spelled_as_the_contract_says():
    gate = GateId("g1")
    assert routes.gate_key(gate) == routes.gate_queue(gate) == "gate.g1"
    assert routes.gate_queue(gate, 2) == "gate.g1.2"
    assert routes.control_queue("room-1") == "control.room-1.1"
    assert routes.room_queue(3) == "room.shard.3"
    assert routes.history_queue(3) == "history.shard.3"


@pytest.mark.parametrize("shards", DIVISORS)
def test_shards_part_the_buckets_between_them(shards):
    dealt = [bucket for shard in range(shards) for bucket in routes.shard_buckets(shard, shards)]
    assert sorted(dealt) == list(range(64))
    assert {len(routes.shard_buckets(shard, shards)) for shard in range(shards)} == {64 // shards}


@given(room=ROOMS, shards=st.sampled_from(DIVISORS))
def test_a_room_lies_in_the_shard_that_holds_its_bucket(room, shards):
    assert routes.bucket(room) in routes.shard_buckets(routes.shard_of(room, shards), shards)


@pytest.mark.parametrize("shards", [-8, 0, 3, 65, 128])
def test_a_shard_count_that_does_not_divide_the_buckets_is_refused(shards):
    with pytest.raises(ValueError, match="divisor of 64"):
        routes.check_shards(shards)


@pytest.mark.parametrize(
    "name",
    [
        routes.room_queue(0),
        routes.history_queue(7),
        routes.gate_queue("g1"),
        routes.gate_queue("g1", 2),
        routes.control_queue("w"),
        routes.INBOX_QUEUE,
        routes.QUERIES_QUEUE,
        routes.PARKED_QUEUE,
    ],
)
def test_every_queue_of_ours_is_known_as_ours(name):
    assert routes.is_own_queue(name)


@pytest.mark.parametrize("name", ["", "my.queue", "amq.rabbitmq.reply-to.abc", "rooms", "gates.report"])
def test_other_queues_are_not(name):
    assert not routes.is_own_queue(name)
