"""The small pure translations of the doors: rooms from commands, recent writes, refusals as problems, deliveries."""

from __future__ import annotations

import json

import pytest

from schemas.answers import Refused
from schemas.commands import Join
from schemas.errors import ERRORS, Code, ParkReason
from schemas.events import MessagePosted
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.ids import ClientId, CommandId, Epoch, InviteId, RoomId, UserId, direct_room_id
from services.gateway.creation import room_of_command, room_to_create
from services.gateway.demo import seed_commands
from services.gateway.doors.amqp import Unfit, read_delivery
from services.gateway.doors.http import openapi
from services.gateway.doors.problems import problem_of, respond
from services.gateway.doors.rest.models.messages import Message
from services.gateway.fanout import _accepted
from services.gateway.recent_writes import RecentWrites
from services.gateway.refusals import overloaded, rate_limited

ANN, BOB = UserId("ann"), UserId("bob")
ROOM = RoomId("r")


def test_the_same_command_always_makes_the_same_room() -> None:
    assert room_of_command(ANN, "c") == room_of_command(ANN, "c")
    assert len({room_of_command(ANN, "c"), room_of_command(ANN, "d"), room_of_command(BOB, "c")}) == 3


@pytest.mark.parametrize("members", [["bob"], ["bob", "bob", "ann"], ("bob",)])
def test_a_direct_room_has_the_id_of_its_two_members(members: object) -> None:
    room = room_to_create(ANN, "c", visibility="direct", members=members)
    assert room == direct_room_id(ANN, BOB) == room_to_create(BOB, "d", visibility="direct", members=["ann"])


def test_names_are_normalised_before_they_name_a_direct_room() -> None:
    room = room_to_create(ANN, "c", visibility="direct", members=["zoe\u0301"])
    assert room == direct_room_id(ANN, UserId("zo\u00e9"))


@pytest.mark.parametrize(
    "members", [None, 7, [], ["ann"], ["bob", "cat"], ["a b"], [None], [[]], {"bob": 1, "cat": 2}, "bob"]
)
def test_what_names_no_second_member_gets_an_id_of_its_own(members: object) -> None:
    assert room_to_create(ANN, "c", visibility="direct", members=members) == room_of_command(ANN, "c")


@pytest.mark.parametrize("visibility", ["public", "private", None, 7])
def test_a_room_that_is_not_direct_has_the_id_of_its_command(visibility: object) -> None:
    assert room_to_create(ANN, "c", visibility=visibility, members=["bob"]) == room_of_command(ANN, "c")


def test_a_message_without_text_is_shown_empty_and_as_deleted() -> None:
    known = {"room": "r", "epoch": "e1", "seq": 1, "at": "2026-11-20T00:00:00Z", "actor": "ann", "command_id": "c"}
    there = Message.of(MessagePosted(**known, message_id="msg_1", text="hi"))
    gone = Message.of(MessagePosted(**known, message_id="msg_1", deleted=True))
    assert (there.content, there.deleted, gone.content, gone.deleted) == ("hi", False, "", True)


@pytest.mark.parametrize("retry", [False, True])
def test_only_a_first_try_that_was_not_sent_is_refused_for_certain(retry: bool) -> None:
    refused = overloaded(Join(room=ROOM, actor=ANN, command_id=CommandId("c"), retry=retry))
    expected = (Code.NO_ANSWER, False) if retry else (Code.OVERLOADED, True)
    assert (refused.code, refused.definite, refused.command_id) == (*expected, "c")


@pytest.mark.parametrize("retry", [False, True, "yes", None])
def test_only_a_first_try_that_came_too_soon_is_refused_for_certain(retry: object) -> None:
    refused = rate_limited({"command_id": "c", "retry": retry}, 7, 0.12345)
    expected = (Code.NO_ANSWER, False) if retry is True else (Code.RATE_LIMITED, True)
    assert (refused.code, refused.definite) == expected
    assert (refused.id, refused.command_id, refused.retry_after_seconds, refused.retry) == (7, "c", 0.123, True)


@pytest.mark.parametrize("named", [None, 7, "", "x" * 65, "a\nb", ["c"]])
def test_what_can_be_no_command_id_is_not_given_back(named: object) -> None:
    assert rate_limited({"command_id": named}, None, 1.0).command_id is None
    assert rate_limited({}, None, 1.0).command_id is None
    unfit = read_delivery("ann", "room.r.send", json.dumps({"type": "send", "room": "r", "command_id": named}).encode())
    assert isinstance(unfit, Unfit)
    assert (unfit.code in (Code.BAD_FIELD, Code.TOO_LARGE), unfit.command_id) == (True, None)


@pytest.mark.parametrize("verb", ["inspect", "dance"])
def test_what_is_no_command_for_people_is_unknown_to_the_inbox(verb: str) -> None:
    unfit = read_delivery("ann", f"room.r.{verb}", b'{"type":"%b","room":"r","command_id":"c"}' % verb.encode())
    assert isinstance(unfit, Unfit)
    assert (unfit.code, unfit.park) == (Code.UNKNOWN_COMMAND, ParkReason.MALFORMED)


def test_an_invite_rides_on_the_fan_out_to_who_made_it() -> None:
    headers = FanoutHeaders(
        FanoutKind.EVENT,
        ROOM,
        Epoch("e1"),
        4,
        skip=ClientId("g/c"),
        command_id=CommandId("c"),
        invite=InviteId("abcdefgh"),
        at="2026-11-20T00:00:00Z",
    )
    accepted = _accepted(headers)
    assert (accepted.invite, accepted.seq, accepted.message_id) == ("abcdefgh", 4, None)


def test_recent_writes_keep_the_newest_and_are_bounded() -> None:
    writes = RecentWrites(limit=2)
    writes.note(ANN, ROOM, 1)
    writes.note(BOB, ROOM, 2)
    writes.note(ANN, ROOM, 3)
    writes.note(ANN, RoomId("other"), 1)
    assert writes.through(ANN, ROOM) == 3
    assert writes.through(BOB, ROOM) is None
    assert writes.last(ANN) == ("other", 1)
    assert writes.last(BOB) is None


def test_a_repeated_command_takes_nothing_back_of_what_was_written() -> None:
    writes = RecentWrites()
    writes.note(ANN, ROOM, 5)
    writes.note(ANN, ROOM, 3)
    assert writes.through(ANN, ROOM) == 5


@pytest.mark.parametrize("code", list(Code))
def test_every_code_can_be_said_as_a_problem(code: Code) -> None:
    problem = problem_of(Refused.of(code))
    assert problem.gatehouse_code is code
    assert problem.code == problem.code.upper()
    assert problem.status in (ERRORS[code].http, 404)
    assert problem.error
    assert respond(problem).media_type == "application/problem+json"


def test_a_delivery_without_bucket_or_actor_becomes_the_command_of_its_login() -> None:
    body = b'{"type":"send","room":"r","command_id":"c","text":"hi"}'
    command = read_delivery("ann", "room.r.send", body)
    assert not isinstance(command, Unfit)
    assert (command.actor, command.client, command.room) == (ANN, None, ROOM)


@pytest.mark.parametrize("user", [None, "", "a b", "x" * 129])
def test_a_delivery_nobody_can_be_named_for_is_unattributed(user: str | None) -> None:
    unfit = read_delivery(user, "room.r.send", b"{}")
    assert isinstance(unfit, Unfit)
    assert (unfit.code, unfit.park) == (Code.UNAUTHENTICATED, ParkReason.UNATTRIBUTED)


def test_an_answer_to_an_unfit_delivery_names_its_command_where_readable() -> None:
    unfit = read_delivery("ann", "room.r.send", b'{"type":"send","room":"r","command_id":"c"}')
    assert isinstance(unfit, Unfit)
    assert (unfit.code, unfit.command_id) == (Code.BAD_FIELD, "c")


def test_the_demo_names_every_command_once_and_flags_it_as_a_retry() -> None:
    commands = seed_commands()
    assert len({command.command_id for command in commands}) == len(commands)
    assert all(command.retry for command in commands)


def test_the_openapi_document_needs_no_connection_and_promises_problems() -> None:
    document = openapi()
    assert {"/chat/create", "/chat/rooms", "/health/chat"} <= document["paths"].keys()
    for path in document["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            problems = {status: told for status, told in operation["responses"].items() if status >= "400"}
            assert {"400", "413", "500"} <= problems.keys()
            assert all(list(told["content"]) == ["application/problem+json"] for told in problems.values())
