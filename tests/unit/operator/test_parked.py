"""What a parked delivery is, and what replaying it means."""

import json
from datetime import UTC, datetime

import pytest

from clients.operator.parked import (
    body_to_replay,
    headers_to_replay,
    is_chosen,
    read_parked,
    why_not_replayable,
)
from schemas.errors import ParkReason
from schemas.parked import parked_headers

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEY = "room.10.general.send"
BODY = b'{"type":"send"}'


def ours(reason=ParkReason.POISON, exchange="chat.commands", body=BODY, at=AT, key=KEY, **headers):
    return read_parked(key, body, parked_headers(reason, "it broke", exchange) | headers, at)


def dead(**death):
    first = {"reason": "delivery_limit", "exchange": "chat.log", "queue": "history.shard.2", "count": 1, "time": AT}
    older = {"reason": "rejected", "exchange": "older", "queue": "older", "count": 3, "time": AT}
    return read_parked(KEY, BODY, {"x-death": [first | death, older], "x-first-death-queue": "history.shard.2"}, None)


def test_our_own_parking_says_where_it_came_from_and_why():
    parked = ours()
    assert (parked.reason, parked.detail, parked.exchange, parked.key) == ("poison", "it broke", "chat.commands", KEY)
    assert (parked.at, parked.size) == (AT, len(BODY))


def test_a_dead_letter_of_the_broker_says_it_by_its_latest_death():
    parked = dead()
    assert (parked.reason, parked.exchange, parked.at) == ("delivery_limit", "chat.log", AT)
    assert parked.detail == "dead-lettered by history.shard.2"


def test_what_says_nothing_is_shown_all_the_same_and_cannot_be_replayed():
    parked = read_parked("k", b"", {}, None)
    assert (parked.reason, parked.exchange, parked.at) == ("unknown", "", None)
    assert why_not_replayable(parked) == "nothing says where it came from"


def test_an_id_is_the_same_whenever_one_looks():
    assert ours().id == ours().id
    assert dead().id == dead().id
    assert len(ours().id) == 12


@pytest.mark.parametrize(
    "other",
    [
        ours(reason=ParkReason.MALFORMED),
        ours(exchange="chat.log"),
        ours(body=b"{}"),
        ours(at=AT.replace(second=1)),
        dead(),
        dead(count=2),
        dead(time=AT.replace(second=1)),
    ],
)
def test_what_differs_in_content_reason_or_moment_has_another_id(other):
    assert other.id not in {ours().id, dead(queue="another").id}


def test_ids_and_reason_choose_together():
    parked = ours()
    assert is_chosen(parked, [], None)
    assert is_chosen(parked, [parked.id, "other"], "poison")
    assert not is_chosen(parked, ["other"], None)
    assert not is_chosen(parked, [parked.id], "malformed")


def test_a_command_is_replayed_as_a_retry_and_nothing_else_of_it_changes():
    parked = ours(body='{"type":"send","text":"zwölf","retry":false}'.encode())
    assert json.loads(body_to_replay(parked)) == {"type": "send", "text": "zwölf", "retry": True}


@pytest.mark.parametrize("body", [b"garbage", b'"text"', b"\xff", b'{ "retry":true }'])
def test_what_is_no_command_or_a_retry_already_is_replayed_byte_for_byte(body):
    assert body_to_replay(ours(body=body)) == body


def test_a_log_entry_is_replayed_byte_for_byte():
    assert body_to_replay(ours(exchange="chat.log", body=b'{ "fence":1 }')) == b'{ "fence":1 }'


def test_the_headers_of_parking_and_of_the_broker_stay_behind():
    parked = ours(own="kept", **{"x-delivery-count": 3, "x-last-death-queue": "q"})
    assert headers_to_replay(parked) == {"own": "kept"}
    assert headers_to_replay(dead()) == {}


def test_the_inbox_takes_nothing_in_the_name_of_somebody_else():
    assert "only its sender" in why_not_replayable(ours(exchange="chat.inbox"))
    assert why_not_replayable(ours()) is None


@pytest.mark.parametrize("reason", [ParkReason.POISON, ParkReason.MALFORMED])
def test_a_question_whose_asker_waits_no_longer_is_not_asked_again(reason):
    assert "waits no longer" in why_not_replayable(ours(reason, exchange="chat.log", key="query.10.general"))
    assert why_not_replayable(ours(reason, exchange="chat.log", key="room.10.query.message_posted")) is None


@pytest.mark.parametrize("reason", [ParkReason.STALE_FENCE, ParkReason.CONFLICT])
def test_what_would_only_come_back_is_not_sent_there(reason):
    assert "only come back" in why_not_replayable(ours(reason, exchange="chat.log"))
