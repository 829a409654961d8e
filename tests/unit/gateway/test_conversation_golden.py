"""The frames of the conversation socket written down once, in tests/golden, and shown on the page that describes it."""

from __future__ import annotations

import json
import re

import pytest

from infra.generate import ROOT
from schemas.events import EVENT
from schemas.frames import SERVER_FRAMES
from schemas.signals import SIGNAL
from services.gateway.doors.conversation import asking, telling
from tests.unit.gateway.conversations import ROOM, Client

GOLDEN = json.loads((ROOT / "tests/golden/conversation-frames.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/conversation-socket.md").read_text(encoding="utf-8")
SHOWN = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
FRAMES = [one["said"] for one in GOLDEN["said"]] + [frame for one in GOLDEN["told"] for frame in one["told"]]


def model_of(body):
    """The native frame, so that a golden cannot give what no gate says."""
    match body["type"]:
        case "event":
            return EVENT.validate_python(body)
        case "signal":
            return SIGNAL.validate_python(body)
        case kind:
            return SERVER_FRAMES[kind].model_validate(body)


def opened(golden):
    """A client in the state in which it is given the frames of a golden: live at seq 5, where it shows no opening."""
    if "shown" in golden:
        events = [EVENT.validate_python(body) for body in golden["shown"]]
        return Client(*events)
    client = Client.live(head=5, online=("ann",))
    if "said" in golden:
        client.say(**golden["said"])
    return client


@pytest.mark.parametrize("golden", GOLDEN["told"], ids=lambda one: one["name"])
def test_native_frames_are_told_as_written_down(golden):
    given = [model_of(body) for body in golden["given"]]
    assert opened(golden).hear(*given) == golden["told"]


@pytest.mark.parametrize("golden", GOLDEN["said"], ids=lambda one: one["said"]["type"])
def test_frames_of_clients_become_native_ones_as_written_down(golden):
    parsed = asking.parse(json.dumps(golden["said"]).encode())
    assert json.loads(json.dumps(asking.native(parsed, ROOM))) == golden["asked"]


@pytest.mark.parametrize("frame", SHOWN, ids=lambda one: one["type"])
def test_a_frame_shown_on_the_page_is_one_that_travels(frame):
    assert frame in FRAMES


def test_every_frame_that_travels_is_shown_on_the_page():
    assert {one["type"] for one in SHOWN} == {one["type"] for one in FRAMES}
    assert {one["said"]["type"] for one in GOLDEN["said"]} == asking.TYPES


def test_every_event_that_has_words_here_is_written_down():
    given = {body.get("event") for one in GOLDEN["told"] for body in one["given"]}
    alike = {"reaction_removed": "reaction_added", "member_banned": "member_left"}
    assert {alike.get(name, name) for name in (*telling.ALIKE, *telling.MEMBERS)} <= given


def test_a_deleted_message_of_history_has_no_content():
    [message] = telling.messages([EVENT.validate_python(GOLDEN["told"][1]["given"][0]).to_dict() | {"deleted": True}])
    assert message["deleted"] is True
