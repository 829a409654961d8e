"""What an operator reads."""

from datetime import UTC, datetime

from clients.operator.parked import read_parked
from clients.operator.shards import Line, Roll
from clients.operator.tables import behind_lines, parked_lines, parked_text, room_lines, shard_lines
from schemas.control import WorkerHeartbeat
from schemas.errors import ParkReason
from schemas.operations import Inspection
from schemas.parked import parked_headers

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def heartbeat(worker, *shards, ready=True):
    return WorkerHeartbeat(worker=worker, interval_seconds=5, shards=shards, ready=ready)


def roll(*heartbeats):
    made = Roll()
    for each in heartbeats:
        made.receive(each)
    return made


def parked(body, reason=ParkReason.POISON, detail="it broke"):
    return read_parked("room.10.general.send", body, parked_headers(reason, detail, "chat.commands"), AT)


def test_a_room_is_told_with_its_position_fence_writer_and_sessions():
    inspection = Inspection.model_validate(
        {
            "command_id": "c1",
            "room": "general",
            "epoch": "e1",
            "seq": 42,
            "fence": 3,
            "writer": "room-7",
            "title": "General",
            "visibility": "public",
            "updated_at": AT,
            "members": 5,
            "bans": 1,
            "invites": 2,
            "online": 3,
            "gates": [{"gate": "g1", "sessions": 2}, {"gate": "g2", "sessions": 1}],
            "rosters_owed": ["g3"],
            "remembered": 9,
            "in_progress": 0,
        }
    )
    assert room_lines(inspection) == [
        "room             general  General",
        "state            open, public, changed 2026-11-20 12:00:00Z",
        "position         epoch e1, seq 42",
        "writer           room-7, fence 3",
        "people           5 members, 3 online, 1 banned, 2 invites",
        "memory           9 commands remembered, 0 in progress",
        "sessions         3",
        "  g1             2",
        "  g2             1",
        "rosters owed by  g3",
    ]


def test_shards_are_told_with_their_workers_and_those_nobody_claims():
    lines = [Line(0, 0, True), Line(1, 17, True), Line(2, 0, False)]
    assert shard_lines(lines, roll(heartbeat("b", 1, ready=False), heartbeat("a", 0))) == [
        "shard  worker  ready  waiting  consumed",
        "0      a       yes    0        yes",
        "1      b       no     17       yes",
        "2      -       -      0        no",
        "a is active on 1 shard",
        "b is active on 1 shard",
        "nobody says to be active on: 2",
    ]


def test_two_that_claim_one_shard_are_both_shown_and_of_one_worker_the_latest_word_counts():
    heard = roll(heartbeat("a", 0, 1), heartbeat("b", 1), heartbeat("a", 1))
    assert [claim.worker for claim in heard.claims(1)] == ["a", "b"]
    assert heard.unclaimed(2) == [0]


def test_shards_stand_in_their_order_whatever_the_order_they_were_taken_over_in():
    heard = roll(heartbeat("b", 10, 1, 9), heartbeat("a", 7, 0, 3))
    told = shard_lines([Line(shard, 0, True) for shard in range(12)], heard)
    assert [row.split()[:2] for row in told[1:13] if " - " not in row] == [
        ["0", "a"],
        ["1", "b"],
        ["3", "a"],
        ["7", "a"],
        ["9", "b"],
        ["10", "b"],
    ]
    assert told[13:] == [
        "a is active on 3 shards",
        "b is active on 3 shards",
        "nobody says to be active on: 2, 4, 5, 6, 8, 11",
    ]


def test_no_worker_at_all_is_said():
    assert shard_lines([Line(0, 3, False)], roll())[-2:] == [
        "no room worker was heard of",
        "nobody says to be active on: 0",
    ]


def test_parked_deliveries_are_listed_in_their_order_and_equal_ones_once():
    first, second = parked(b"one"), parked(b"two", ParkReason.MALFORMED, "no\nroom")
    assert parked_lines([first, second, first], 10) == [
        f"{first.id}  2026-11-20 12:00:00Z  poison     3 bytes  chat.commands room.10.general.send  it broke (x2)",
        f"{second.id}  2026-11-20 12:00:00Z  malformed  3 bytes  chat.commands room.10.general.send  no room",
    ]


def test_beyond_the_limit_they_are_counted_by_reason():
    many = [parked(b"%d" % n) for n in range(3)] + [parked(b"x", ParkReason.CONFLICT)] * 2
    assert parked_lines(many, 1)[1:] == ["and 4 more: 2 poison, 2 conflict"]


def test_nothing_parked_is_said():
    assert parked_lines([], 10) == ["nothing is parked"]


def test_what_lies_behind_one_look_is_said():
    assert behind_lines(0) == []
    assert behind_lines(2300) == ["2,300 more lie behind these: one go looks at the oldest 10,000"]


def test_one_is_shown_with_headers_and_body_and_moves_no_cursor():
    shown = parked_text(parked("{\x1b[2J}\nzwölf".encode(), detail="d\x07"))
    assert "detail                  d\ufffd" in shown
    assert "header x-park-exchange  chat.commands" in shown
    assert shown[-2:] == ["", "{\ufffd[2J}\nzwölf"]
