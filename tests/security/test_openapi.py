"""Every operation that the served OpenAPI document has does what the document says, whatever it is given.

New operations are taken along by themselves: nothing here names one.
"""

import asyncio

import pytest
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.gateway.conftest import token
from tests.security.fuzz import ROOM, USER, tried

pytestmark = [
    pytest.mark.broker,
    # The gate lives in this process, in another thread, and may draw its jitter while a request is being made up.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]

TRIES = 9
"""Requests for each operation, as the document wants them and as it does not."""
WAIT = 20
CONFORMS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""Whatever the document allows is not accepted: a text that is blank, or a room that is not there, fits its schema. So
`positive_data_acceptance` is left out."""
CONFIG = {"checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}}}
"""413 is a rejection too."""
KNOWN = {"room": ROOM, "user": "bob"}
"""Values of path parameters that exist; without them hardly any request would get beyond 404."""


@pytest.fixture
async def bench(start_bench):
    bench = await start_bench(command_seconds=5)
    bench.room.open(ROOM, USER, "bob", events=3)
    return bench


def operations_of(bench):
    """The document as the gate serves it; every operation of it."""
    served = requests.get(f"http://127.0.0.1:{bench.port}/openapi.json", timeout=WAIT)
    schema = schemathesis.openapi.from_dict(served.json(), config=SchemathesisConfig.from_dict(CONFIG))
    return [found.ok() for found in schema.get_all_operations()]


def can_be_broken(operation):
    """Whether there is anything in its requests that the document could not want."""
    return any((operation.path_parameters, operation.query, operation.headers, operation.body))


def ask(bench, case, mode, checks):
    """Send one request as somebody, and judge the response by these checks alone. One that is made up without a token,
    to see that it is wanted, stays without."""
    bench.room.members[ROOM].update((USER, "bob"))
    said = mode is GenerationMode.POSITIVE or "Authorization" in (case.headers or {})
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{bench.port}",
        headers={"Authorization": f"Bearer {token(USER)}"} if said else {},
        checks=checks,
        timeout=WAIT,
    )


def try_operation(bench, operation, mode, checks):
    """Send an operation many requests."""

    @given(case=operation.as_strategy(generation_mode=mode), known=st.integers(0, 3))
    @tried(TRIES)
    def tries(case, known):
        if known and mode is GenerationMode.POSITIVE:
            case.path_parameters = {
                name: KNOWN.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        ask(bench, case, mode, checks)

    tries()


@pytest.mark.parametrize(
    ("mode", "checks"),
    [
        (GenerationMode.POSITIVE, CONFORMS),
        (GenerationMode.NEGATIVE, [*CONFORMS, negative_data_rejection]),
    ],
    ids=["as the document wants it", "not as the document wants it"],
)
async def test_every_operation_answers_as_the_document_says(bench, subtests, mode, checks):
    operations = await asyncio.to_thread(operations_of, bench)
    assert operations
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not can_be_broken(operation):
            continue
        with subtests.test(operation.label):
            await asyncio.to_thread(try_operation, bench, operation, mode, checks)


async def test_every_operation_under_chat_wants_a_token(bench, subtests):
    for operation in await asyncio.to_thread(operations_of, bench):
        if operation.path.startswith("/chat"):
            with subtests.test(operation.label):
                assert await asyncio.to_thread(status_without_token, bench, operation) == requests.codes.unauthorized


def status_without_token(bench, operation):
    url = f"http://127.0.0.1:{bench.port}{operation.path.replace('{room}', ROOM)}"
    return requests.request(operation.method, url, timeout=WAIT).status_code
