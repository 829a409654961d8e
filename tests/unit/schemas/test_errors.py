"""The registry of codes."""

from http import HTTPStatus

import pytest

from schemas.answers import Refused
from schemas.contract.tables import error_page
from schemas.errors import ERRORS, Code, ParkReason

GRPC = {
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "UNAUTHENTICATED",
}


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_sentence_and_a_status_on_each_door(code):
    spec = ERRORS[code]
    assert spec.message
    assert 400 <= HTTPStatus(spec.http) < 600
    assert spec.grpc in GRPC


def test_the_registry_holds_no_code_that_does_not_exist():
    assert set(ERRORS) == set(Code)


@pytest.mark.parametrize("code", [code for code in Code if ERRORS[code].close is not None])
def test_the_range_of_a_close_code_says_whether_to_come_back(code):
    spec = ERRORS[code]
    assert 4000 <= spec.close < 5000
    assert spec.retry == (spec.close < 4500)


@pytest.mark.parametrize("code", Code)
def test_what_may_have_been_applied_can_always_be_asked_again(code):
    assert ERRORS[code].definite or ERRORS[code].retry


def test_a_refusal_says_what_the_registry_says():
    refused = Refused.of(Code.NO_ANSWER, id=7)
    assert (refused.code, refused.definite, refused.retry, refused.id) == (Code.NO_ANSWER, False, True, 7)
    assert refused.message == ERRORS[Code.NO_ANSWER].message


def test_a_refusal_may_be_more_exact_than_the_registry():
    assert Refused.of(Code.BAD_FIELD, "text: the text is blank").message == "text: the text is blank"


def test_the_page_lists_every_code_every_close_code_and_every_reason():
    page = error_page()
    for word in (*Code, *ParkReason):
        assert f"`{word}`" in page
    for spec in ERRORS.values():
        assert spec.close is None or f"{spec.close} `" in page
