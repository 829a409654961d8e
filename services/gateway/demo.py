"""The demo's two rooms with their first messages, made by the ordinary commands of ordinary users.

Fixed command ids and `retry` make it happen once, however many gates start, and however often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from schemas.answers import Answer, Refused
from schemas.commands import Command, Create, Send
from schemas.ids import CommandId, RoomId, UserId
from services.runtime.broker import wait_or

log = structlog.get_logger()

PAUSE_SECONDS: Final = 1.0
GENERAL: Final = RoomId("general")
SUPPORT: Final = RoomId("support")
ALICE, BOB, CHARLIE = UserId("alice"), UserId("bob"), UserId("charlie")


def seed_commands() -> list[Command]:
    """What the demo begins with, in order."""
    return [
        Create(
            room=GENERAL,
            actor=ALICE,
            command_id=CommandId("demo-1"),
            retry=True,
            title="General Discussion",
            topic="General chat room for all users",
            capacity=100,
            members=(BOB, CHARLIE),
        ),
        Create(
            room=SUPPORT,
            actor=ALICE,
            command_id=CommandId("demo-2"),
            retry=True,
            title="Tech Support",
            topic="Technical support and help",
            capacity=50,
            members=(BOB,),
        ),
        _message(GENERAL, ALICE, "demo-3", "Hello everyone! Welcome to the general discussion room."),
        _message(GENERAL, BOB, "demo-4", "Hi Alice! Great to be here."),
        _message(SUPPORT, ALICE, "demo-5", "How can I help you today?"),
    ]


async def seed(decide: Callable[[Command], Awaitable[Answer]], stopping: asyncio.Event) -> None:
    """Send every command until it was decided, or `stopping` is set; what is there already is left as it is."""
    for command in seed_commands():
        while not stopping.is_set():
            answer = await decide(command)
            if not isinstance(answer, Refused) or not answer.retry:
                log.info("demo_seeded", command_id=command.command_id, answer=answer.type)
                break
            await wait_or(stopping, PAUSE_SECONDS)


def _message(room: RoomId, actor: UserId, command_id: str, text: str) -> Send:
    return Send(room=room, actor=actor, command_id=CommandId(command_id), retry=True, text=text)
