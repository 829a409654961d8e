"""Frames of a gate as a client reads them."""

import json

import pytest

from clients.cli.wire import EventsPage, UnknownEvent, read_frame
from schemas.answers import Accepted
from schemas.frames import Bye
from schemas.signals import TypingSignal

AT = "2026-11-20T10:42:00Z"
POSTED = {
    "type": "event",
    "event": "message_posted",
    "room": "general",
    "epoch": "e1",
    "seq": 1,
    "at": AT,
    "actor": "bob",
    "command_id": "c",
    "message_id": "msg_1",
    "text": "hi",
}


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"type": "from_the_future"}', '{"type": "accepted"}'])
def test_what_cannot_be_read_is_passed_over(text):
    assert read_frame(text) is None


def test_fields_of_a_newer_gate_are_no_harm():
    frame = {"type": "accepted", "command_id": "c", "room": "general", "epoch": "e1", "seq": 1, "at": AT, "new": 1}
    assert isinstance(read_frame(json.dumps(frame)), Accepted)
    assert read_frame(json.dumps(POSTED | {"new": 1})).text == "hi"


def test_an_event_without_a_shape_keeps_its_position():
    assert read_frame(json.dumps(POSTED | {"event": "poll_opened"})) == UnknownEvent("general", "e1", 1)


def test_a_page_keeps_the_events_it_can_and_cannot_name():
    page = {"type": "page", "id": 3, "room": "general", "epoch": "e1", "head": 2}
    read = read_frame(json.dumps(page | {"events": [POSTED, POSTED | {"event": "poll_opened", "seq": 2}, "junk"]}))
    assert isinstance(read, EventsPage)
    assert (read.id, [event.seq for event in read.events]) == (3, [1, 2])


def test_signals_and_the_last_word_are_read():
    typing = {"type": "signal", "signal": "typing", "room": "general", "user": "bob", "active": True}
    assert isinstance(read_frame(json.dumps(typing | {"expires_seconds": 6})), TypingSignal)
    assert isinstance(read_frame('{"type": "bye", "code": 4000, "reason": "draining"}'), Bye)
