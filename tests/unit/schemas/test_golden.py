"""The wire shapes written down once: a file of tests/golden holds bodies as they travel, the first of them with every
field in use. A change of a shape shows here first."""

import pytest
from jsonschema import Draft202012Validator

from schemas.answers import ANSWER, Answer
from schemas.commands import CLIENT_COMMAND, COMMAND, ClientCommand, Command
from schemas.contract.json_schema import DIALECT, FILE_REFS, definitions
from schemas.control import CONTROL, Control
from schemas.errors import ParkReason
from schemas.events import EVENT, Event, decode_logged, encode_logged
from schemas.fanout import FanoutHeaders
from schemas.parked import parked_headers
from schemas.queries import BARRIER, QUERY, QUERY_ANSWER, Barrier, Query, QueryAnswer
from schemas.signals import SIGNAL, Signal
from tests.unit.schemas.golden import GOLDEN, MODELS, compact, name_of, read

UNIONS = (
    (COMMAND, Command),
    (CLIENT_COMMAND, ClientCommand),
    (EVENT, Event),
    (SIGNAL, Signal),
    (ANSWER, Answer),
    (CONTROL, Control),
    (QUERY, Query),
    (BARRIER, Barrier),
    (QUERY_ANSWER, QueryAnswer),
)


def test_every_model_that_crosses_a_border_has_a_golden_and_every_golden_a_model():
    files = {path.stem for path in GOLDEN.glob("*.*.json")}
    assert files == set(MODELS)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_golden_becomes_its_model_and_the_same_bytes_again(name):
    for body in read(name):
        model = MODELS[name].model_validate_json(compact(body))
        assert model.to_json() == compact(body)
        assert model.to_dict() == body


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_first_golden_uses_every_field(name):
    model = MODELS[name].model_validate(read(name)[0])
    assert model.model_fields_set == set(MODELS[name].model_fields)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_an_unknown_field_is_refused(name):
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        MODELS[name].model_validate(read(name)[0] | {"surprise": 1})


@pytest.fixture(scope="module", params=["validation", "serialization"])
def published(request):
    return definitions([(model, request.param) for model in MODELS.values()])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_golden_is_what_the_published_schema_says(name, published):
    schema = {"$schema": DIALECT, "$ref": FILE_REFS.format(model=MODELS[name].__name__), "$defs": published}
    for body in read(name):
        Draft202012Validator(schema).validate(body)


@pytest.mark.parametrize(("parser", "model"), [(parser, model) for parser, union in UNIONS for model in union.__args__])
def test_a_body_is_recognised_by_its_tag(parser, model):
    for body in read(name_of(model)):
        assert type(parser.validate_json(compact(body))) is model


def test_a_log_body_is_the_frame_with_the_fence_at_its_end():
    for golden in read("log-bodies"):
        logged = decode_logged(golden["body"].encode())
        assert logged.fence == golden["fence"]
        assert logged.entry.to_json().decode() == golden["frame"]
        assert encode_logged(logged.entry.to_json(), logged.fence).decode() == golden["body"]


def test_fanout_headers_become_a_table_and_the_same_headers_again():
    for table in read("fanout-headers"):
        assert FanoutHeaders.from_headers(table).to_headers([]) == table


def test_parked_headers_are_what_was_written_down():
    (golden,) = read("parked-headers")
    assert parked_headers(ParkReason.MISROUTED, "no room", "chat.inbox") == golden
