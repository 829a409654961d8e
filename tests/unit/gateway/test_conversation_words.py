"""Frames of the conversation socket: what becomes of a client's, how a no is said, and that pushes are read once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import limits
from schemas.answers import Refused
from schemas.errors import ERRORS, Code
from schemas.frames import COMMAND_VERBS, OWN_FRAMES
from schemas.ids import CommandId
from services.gateway.doors.conversation import asking, hearing
from services.gateway.doors.conversation.complaints import error_frame, word_of
from services.gateway.doors.conversation.hearing import Hearing
from services.gateway.doors.conversation.people import LISTED, People
from services.gateway.wire import text_frame
from tests.unit.gateway.conversations import ROOM, accepted, attached, event, posted

SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
SOMETHING = SCALAR | st.lists(SCALAR, max_size=3) | st.dictionaries(st.text(max_size=8), SCALAR, max_size=3)
FIELDS = st.sampled_from(
    ["content", "message_id", "sites", "mode", "metadata", "retry", "isTyping", "last_sequence_id", "other"]
)


def native(**frame):
    parsed = asking.parse(json.dumps(frame).encode())
    assert not isinstance(parsed, Refused), parsed
    return asking.native(parsed, ROOM)


def refusal(data):
    parsed = asking.parse(data if isinstance(data, bytes) else json.dumps(data).encode())
    assert isinstance(parsed, Refused)
    return parsed


def test_a_message_becomes_a_send_under_the_clients_own_id():
    said = native(type="message", content="hi", message_id="m-1", sites=["a", "b"], mode="list", metadata={"k": 1})
    assert said == {
        "type": "send",
        "id": "message",
        "room": "general",
        "text": "hi",
        "command_id": "m-1",
        "retry": False,
        "metadata": {"sites": ("a", "b"), "mode": "list", "k": 1},
    }


def test_a_message_without_an_id_gets_one_from_the_gate():
    assert "command_id" not in native(type="message", content="hi")


def test_what_we_do_not_know_in_a_frame_is_left_alone():
    assert native(type="message", content="hi", sender_info={"id": "x"})["text"] == "hi"


def test_a_sync_without_a_sequence_id_wants_everything():
    assert native(type="sync") == {"type": "history", "id": "sync", "room": "general", "after": 0, "limit": 200}


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"{", Code.BAD_FRAME, "JSON"),
        (b"\xff\xfe", Code.BAD_FRAME, "JSON"),
        (b"[" * 100_000, Code.BAD_FRAME, "JSON"),
        (b"[]", Code.BAD_FRAME, "object"),
        ({}, Code.UNKNOWN_COMMAND, "type"),
        ({"type": "join"}, Code.UNKNOWN_COMMAND, "type"),
        ({"type": ["message"]}, Code.UNKNOWN_COMMAND, "type"),
        ({"type": "message"}, Code.BAD_FIELD, "content"),
        ({"type": "message", "content": " "}, Code.BAD_FIELD, "content"),
        ({"type": "message", "content": 5}, Code.BAD_FIELD, "content"),
        ({"type": "message", "content": "x" * (limits.TEXT_BYTES + 1)}, Code.TOO_LARGE, "content"),
        ({"type": "message", "content": "x", "sites": [1]}, Code.BAD_FIELD, "sites"),
        ({"type": "message", "content": "x", "metadata": {"k": "x" * 5_000}}, Code.TOO_LARGE, "metadata"),
        ({"type": "typing", "isTyping": "yes"}, Code.BAD_FIELD, "isTyping"),
        ({"type": "sync", "last_sequence_id": -1}, Code.BAD_FIELD, "last_sequence_id"),
        ({"type": "sync", "last_sequence_id": "12"}, Code.BAD_FIELD, "last_sequence_id"),
    ],
)
def test_a_bad_frame_is_refused_with_a_code_and_the_field(data, code, said):
    refused = refusal(data)
    assert (refused.code, said in refused.message) == (code, True), refused.message


def test_a_bad_message_is_refused_by_its_own_id():
    assert refusal({"type": "message", "message_id": "m-1"}).command_id == "m-1"
    assert refusal({"type": "message", "message_id": "x" * 65, "content": "x"}).command_id is None


@given(st.sampled_from(sorted(asking.TYPES)), st.dictionaries(FIELDS, SOMETHING, max_size=5))
def test_whatever_comes_is_refused_or_becomes_a_native_frame(kind, fields):
    parsed = asking.parse(json.dumps({**fields, "type": kind}).encode())
    if not isinstance(parsed, Refused):
        assert asking.native(parsed, ROOM)["type"] in COMMAND_VERBS | OWN_FRAMES.keys()


@given(st.binary(max_size=64))
def test_bytes_are_refused_and_never_raise(data):
    assert isinstance(asking.parse(data), Refused)


@pytest.mark.parametrize("code", Code)
def test_every_code_is_said_with_a_word_a_status_and_a_moment_to_come_back_at(code):
    frame = error_frame(ROOM, Refused.of(code, command_id=CommandId("m-1")))
    assert frame["code"] == word_of(code) == frame["code"].upper()
    assert frame["status"] == ERRORS[code].http
    assert ("retry_after" in frame) is ERRORS[code].retry
    assert frame["message_id"] == "m-1"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Code.OVERLOADED, ("QUEUE_FULL", "queue_full")),
        (Code.RATE_LIMITED, ("RATE_LIMITED", "rate_limited")),
        (Code.TOKEN_EXPIRED, ("AUTH_FAILED", "auth_failed")),
        (Code.BAD_FRAME, ("INVALID_JSON", "invalid_json")),
        (Code.MUTED, ("FORBIDDEN", "processing_error")),
    ],
)
def test_the_words_that_clients_know_are_the_ones_they_get(code, words):
    frame = error_frame(ROOM, Refused.of(code, retry_after_seconds=3.5 if ERRORS[code].retry else None))
    assert (frame["code"], frame["error"]) == words
    assert frame.get("retry_after") == (3.5 if ERRORS[code].retry else None)


# Reading pushes.


def bytes_of(*events):
    return b"".join(text_frame(one.to_json()) for one in events)


def test_an_event_is_read_once_however_many_clients_are_told():
    ears = Hearing()
    burst = bytes_of(posted(1), posted(2))
    heard = [ears.hear(burst) for _ in range(100)]
    assert ears.read == 2
    assert {id(one[0].said) for one in heard} == {id(heard[0][0].said)}


def test_an_event_in_another_burst_is_not_read_again():
    ears = Hearing()
    ears.hear(bytes_of(posted(1), posted(2)))
    ears.hear(bytes_of(posted(2), posted(3)))
    assert ears.read == 3


def test_what_one_client_alone_is_told_is_not_kept():
    ears = Hearing()
    ears.hear(bytes_of(posted(1), accepted(2)))
    ears.hear(bytes_of(posted(1), accepted(2)))
    assert ears.read == 3


def test_what_was_read_is_kept_within_bounds(monkeypatch):
    monkeypatch.setattr(hearing, "ENTRIES", 3)
    ears = Hearing()
    for seq in range(1, 10):
        ears.hear(bytes_of(posted(seq)))
    assert len(ears._bursts._known) == len(ears._frames._known) == 3
    ears.hear(bytes_of(posted(7)))
    assert ears.read == 9
    ears.hear(bytes_of(posted(1)))
    assert ears.read == 10


def test_large_bursts_make_room_and_the_largest_are_not_kept(monkeypatch):
    monkeypatch.setattr(hearing, "BYTES", 4_000)
    ears = Hearing()
    for seq in range(1, 10):
        ears.hear(bytes_of(posted(seq, text="x" * 500)))
    assert 0 < ears._bursts._bytes <= 4_000
    ears.hear(bytes_of(posted(10, text="x" * 2_000)))
    assert ears.read == 10
    ears.hear(bytes_of(posted(10, text="x" * 2_000)))
    assert ears.read == 11


def test_only_what_is_said_alike_to_all_is_ready_known():
    joined = event("member_joined", 2, user="cid", role="member")
    [first, second] = Hearing().hear(bytes_of(posted(1), joined))
    assert first.said is not None
    assert second.said is None


# People.


def test_of_a_large_conversation_the_first_are_known_by_name():
    people = People.of(attached(1, *(f"u{number}" for number in range(150)), online=("u1",), count=150).to_dict())
    assert (len(people.listed), people.count, people.complete) == (LISTED, 150, False)
    people.join("zoe", "member")
    assert "zoe" not in people.listed
    assert people.leave("u149")
    assert people.count == 150


def test_a_conversation_that_grows_beyond_the_list_counts_on():
    people = People.of(attached(1, *(f"u{number}" for number in range(LISTED))).to_dict())
    people.join("zoe", "member")
    assert (len(people.listed), people.count, people.complete) == (LISTED, LISTED + 1, False)


def test_presence_beyond_the_list_is_bounded():
    people = People.of(attached(1, count=10_000).to_dict())
    for number in range(1_000):
        people.see(f"u{number}", "online")
    assert len(people.online) <= LISTED
