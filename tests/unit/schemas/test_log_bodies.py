"""The log's body: the frame with the writer's fence at its end, encoded once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import EVENT, EVENTS, RECORDS, decode_logged, encode_logged
from tests.unit.schemas.golden import name_of, read


@pytest.mark.parametrize("model", [*EVENTS.values(), *RECORDS.values()])
def test_every_fact_survives_the_log(model):
    for golden in read(name_of(model)):
        entry = model.model_validate(golden)
        logged = decode_logged(encode_logged(entry.to_json(), 5))
        assert logged == (entry, 5)
        assert type(logged.entry) is model


@given(text=st.text(min_size=1, max_size=200), fence=st.integers(min_value=0, max_value=2**62))
def test_any_message_text_survives_the_log_byte_for_byte(text, fence):
    golden = read("events.MessagePosted")[0]
    try:
        posted = EVENT.validate_python(golden | {"text": text})
    except ValidationError:
        return
    logged = decode_logged(encode_logged(posted.to_json(), fence))
    assert logged == (posted, fence)


def test_a_text_that_looks_like_a_fence_is_only_a_text():
    posted = EVENT.validate_python(read("events.MessagePosted")[0] | {"text": '","fence":9}'})
    assert decode_logged(encode_logged(posted.to_json(), 1)).fence == 1


def with_fields(**fields):
    body = read("events.MessagePosted")[0] | {"fence": 1} | fields
    return json.dumps({name: value for name, value in body.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b'{"type":"event"',
        b"[]",
        b'"text"',
        b"\xff\xfe",
        with_fields(fence=...),
        with_fields(fence=None),
        with_fields(fence="1"),
        with_fields(fence=1.0),
        with_fields(fence=True),
        with_fields(fence=-1),
        with_fields(event="dance"),
        with_fields(seq=0),
        with_fields(surprise=1),
        with_fields(type="record"),
        with_fields(type="message"),
    ],
)
def test_what_is_no_log_body_is_refused_with_one_kind_of_error(body):
    with pytest.raises(ValidationError):
        decode_logged(body)
