"""The header table of a fan-out delivery."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fanout import GATES_PER_PUBLISH, FanoutHeaders, FanoutKind, fanout_batches
from schemas.ids import Epoch, GateId, RoomId

WORDS = st.text(min_size=1, max_size=20)
HEADERS = st.builds(
    FanoutHeaders,
    kind=st.sampled_from(FanoutKind),
    room=WORDS,
    epoch=WORDS,
    seq=st.integers(min_value=0, max_value=2**53 - 1),
    skip=st.none() | WORDS,
    command_id=st.none() | WORDS,
    message_id=st.none() | WORDS,
    at=st.none() | WORDS,
    expel=st.none() | WORDS,
    expel_code=st.none() | WORDS,
)
LEAST = {"kind": "event", "room": "general", "epoch": "e", "seq": 1}


@given(HEADERS)
def test_headers_survive_the_table(headers):
    assert FanoutHeaders.from_headers(headers.to_headers(["gate.a"])) == headers


def test_the_gates_go_into_bcc_and_no_gate_leaves_it_out():
    headers = FanoutHeaders(FanoutKind.TOPS, RoomId("general"), Epoch("e"), 1)
    assert headers.to_headers(["gate.a", "gate.b"])["BCC"] == ["gate.a", "gate.b"]
    assert "BCC" not in headers.to_headers([])


def test_a_header_of_somebody_else_is_no_hindrance():
    assert FanoutHeaders.from_headers(LEAST | {"x-delivery-count": 1}).seq == 1


@pytest.mark.parametrize(
    "table",
    [
        {},
        {key: value for key, value in LEAST.items() if key != "kind"},
        {key: value for key, value in LEAST.items() if key != "room"},
        {key: value for key, value in LEAST.items() if key != "epoch"},
        {key: value for key, value in LEAST.items() if key != "seq"},
        LEAST | {"kind": "gossip"},
        LEAST | {"room": b"general"},
        LEAST | {"epoch": 7},
        LEAST | {"seq": "1"},
        LEAST | {"skip": 7},
        LEAST | {"expel": ["bob"]},
    ],
)
def test_a_table_that_is_short_of_a_field_or_wrong_in_one_is_refused(table):
    with pytest.raises(ValueError, match=r"fan-out|FanoutKind"):
        FanoutHeaders.from_headers(table)


@pytest.mark.parametrize("count", [0, 1, GATES_PER_PUBLISH, GATES_PER_PUBLISH + 1, 3 * GATES_PER_PUBLISH])
def test_many_gates_are_cut_into_publishes_that_fit_and_none_is_lost(count):
    gates = [GateId(f"g{number}") for number in range(count)]
    batches = fanout_batches(gates)
    assert [gate for batch in batches for gate in batch] == gates
    assert all(0 < len(batch) <= GATES_PER_PUBLISH for batch in batches)
