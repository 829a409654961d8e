"""Reading a delivery: a command, or what it is instead."""

import json

import pytest

from schemas import routes
from schemas.errors import Code, ParkReason
from services.room.orders import Misfit, read_command
from tests.unit.room.given import ROOM, command

SEND = command("send", text="hi")
KEY = routes.command_key(ROOM, "send")


def test_a_command_under_its_own_key_is_read():
    assert read_command(KEY, SEND.to_json()) == SEND


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff\x00 garbage", Code.BAD_FRAME),
        (b"[1, 2]", Code.BAD_FRAME),
        (b'{"type": "explode"}', Code.BAD_FRAME),
        (b'{"room": "general"}', Code.BAD_FRAME),
        (json.dumps({**SEND.to_dict(), "colour": "red"}).encode(), Code.BAD_FIELD),
        (json.dumps({**SEND.to_dict(), "room": "a.b"}).encode(), Code.BAD_FIELD),
    ],
)
def test_a_body_that_is_no_command_is_malformed(body, code):
    misfit = read_command(KEY, body)
    assert isinstance(misfit, Misfit)
    assert (misfit.reason, misfit.code) == (ParkReason.MALFORMED, code)
    assert misfit.detail


@pytest.mark.parametrize(
    "key",
    [
        routes.command_key(ROOM, "join"),
        routes.command_key("elsewhere", "send"),
        f"room.{(routes.bucket(ROOM) + 1) % 64:02d}.{ROOM}.send",
        "room",
    ],
)
def test_a_key_that_does_not_match_its_body_is_misrouted(key):
    misfit = read_command(key, SEND.to_json())
    assert isinstance(misfit, Misfit)
    assert (misfit.reason, misfit.code) == (ParkReason.MISROUTED, Code.BAD_ROUTE)
