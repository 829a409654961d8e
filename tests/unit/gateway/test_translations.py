"""The small pure translations of the doors: rooms from commands, recent writes, refusals as problems, deliveries."""

from __future__ import annotations

import pytest

from schemas.answers import Refused
from schemas.errors import ERRORS, Code, ParkReason
from schemas.ids import RoomId, UserId
from services.gateway.creation import room_of_command
from services.gateway.demo import seed_commands
from services.gateway.doors.amqp import Unfit, read_delivery
from services.gateway.doors.http import openapi
from services.gateway.doors.problems import problem_of, respond
from services.gateway.recent_writes import RecentWrites

ANN, BOB = UserId("ann"), UserId("bob")
ROOM = RoomId("r")


def test_the_same_command_always_makes_the_same_room() -> None:
    assert room_of_command(ANN, "c") == room_of_command(ANN, "c")
    assert len({room_of_command(ANN, "c"), room_of_command(ANN, "d"), room_of_command(BOB, "c")}) == 3


def test_recent_writes_keep_the_newest_and_are_bounded() -> None:
    writes = RecentWrites(limit=2)
    writes.note(ANN, ROOM, 1)
    writes.note(BOB, ROOM, 2)
    writes.note(ANN, ROOM, 3)
    writes.note(ANN, RoomId("other"), 1)
    assert writes.through(ANN, ROOM) == 3
    assert writes.through(BOB, ROOM) is None


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
            assert list(operation["responses"]["4XX"]["content"]) == ["application/problem+json"]
