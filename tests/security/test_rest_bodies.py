"""Bodies and headers of HTTP requests, from nearly right to nonsense: a problem with a code, and never a 5xx."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Code
from services.gateway.doors.http import openapi
from tests.bed.unlimited import SETTINGS
from tests.security.fuzz import ROOM, USER, garbage, json_values, odd_json, tried

pytestmark = pytest.mark.broker

TAKES_A_BODY = sorted(
    (method.upper(), path)
    for path, operations in openapi()["paths"].items()
    for method, operation in operations.items()
    if "requestBody" in operation
)


class Places(dict):
    """What stands in paths: what is there, else a number."""

    def __missing__(self, name):
        return "1"


PLACES = Places(room=ROOM, user="bob", user_id="bob")
FIELDS = (
    *("title", "participant", "participants", "additional_participants", "sites", "mode", "visibility", "capacity"),
    *("topic", "metadata", "content", "message_id", "sender_id", "user_id", "invite", "text", "user", "role", "until"),
    *("reason", "emoji", "seq", "reply_to", "mentions", "expires_at", "max_uses", "state", "mood", "active"),
)
bodies = (
    st.dictionaries(st.sampled_from(FIELDS), garbage, max_size=6).map(json.dumps)
    | json_values.map(json.dumps)
    | odd_json
).map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=60)
TYPES = ("application/json", "text/plain", "application/json; charset=utf-16", "application/x-www-form-urlencoded", "?")


@pytest.fixture
async def http(start_bench):
    bench = await start_bench(command_seconds=5, **SETTINGS)
    bench.room.open(ROOM, USER, "bob", events=3)
    async with bench.http(USER) as client:
        yield client
        assert (await client.get("/chat/rooms")).is_success


def judged(answer):
    """A success, or a problem that says its code."""
    assert answer.status_code < 500, answer.text
    if not answer.is_success:
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        Code(problem["gatehouse_code"])


@given(body=bodies, content_type=st.sampled_from(TYPES))
@tried(40)
async def test_any_body_is_taken_or_a_problem(http, body, content_type):
    for method, path in TAKES_A_BODY:
        answer = await http.request(
            method, path.format_map(PLACES), content=body, headers={"Content-Type": content_type}
        )
        judged(answer)


@given(
    key=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=100),
    retry=st.sampled_from(("true", "false", "1", "yes", "", "truly")),
)
@tried(40)
async def test_any_idempotency_key_is_taken_or_a_problem(http, key, retry):
    headers = {"Idempotency-Key": key.encode("latin-1"), "Idempotency-Retry": retry}
    judged(await http.post(f"/chat/{ROOM}/message", json={"content": "hello"}, headers=headers))


@given(words=st.dictionaries(st.sampled_from(("after", "before", "limit", "offset")), st.text(max_size=30), max_size=3))
@tried(60)
async def test_any_query_is_taken_or_a_problem(http, words):
    for path in (f"/chat/{ROOM}/messages", "/chat/rooms", "/chat/my-conversations"):
        judged(await http.get(path, params={name: word.encode(errors="surrogatepass") for name, word in words.items()}))


@given(room=st.text(min_size=1, max_size=80))
@tried(60)
async def test_any_room_in_a_path_is_taken_or_a_problem(http, room):
    quoted = "".join(f"%{byte:02X}" for byte in room.encode(errors="surrogatepass"))
    judged(await http.get(f"/chat/{quoted}/messages"))
