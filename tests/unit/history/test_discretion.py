"""What may be said of entries and errors."""

import pytest
from pydantic import ValidationError
from structlog.processors import format_exc_info

from schemas.events import EVENT, decode_logged
from services.history.discretion import complaint, names_of, without_words
from tests.contract.chronicle import Chronicle, whole_story


def test_an_event_is_named_without_what_is_in_it():
    story = Chronicle()
    story.created()
    assert names_of(story.said("a secret").entry) == {
        "room": "general",
        "seq": 2,
        "entry": "message_posted",
        "actor": "alice",
        "command_id": "c2",
    }


def test_a_receipt_is_named_by_its_user():
    receipt = Chronicle().receipt("bob", read=3).entry
    assert names_of(receipt) == {"room": "general", "entry": "receipt", "user": "bob"}


def test_no_entry_is_named_by_anything_that_somebody_wrote_or_keeps_secret():
    said = str([names_of(logged.entry) for logged in whole_story(Chronicle()).log])
    assert [
        word for word in ("the first", "better", "spam", "bye", "Renamed", "invite-0001", "👍") if word in said
    ] == []


def test_a_complaint_says_what_is_wrong_and_where_but_not_with_what():
    with pytest.raises(ValidationError) as raised:
        EVENT.validate_python({"event": "message_edited", "text": ["a secret"]})
    assert "a secret" in str(raised.value)
    assert complaint(raised.value) == "message_edited.room: Field required"
    with pytest.raises(ValidationError) as raised:
        decode_logged(b'"a secret"')
    assert complaint(raised.value) == "no log body: not a JSON object"


def break_on(words):
    raise KeyError(words)


def test_a_logged_error_says_which_it_was_and_where_it_was_raised_but_not_what_it_said():
    with pytest.raises(KeyError) as raised:
        break_on("a " + "secret")
    shown = format_exc_info(None, "", {"exc_info": without_words(raised.value)})["exception"]
    assert "in break_on" in shown
    assert shown.endswith("WithoutWords: KeyError")
    assert "a secret" not in shown
