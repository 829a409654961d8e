"""AMQP: programs with logins of their own, or one that speaks for all."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

import aio_pika

from schemas import routes
from schemas.ids import RoomId
from services.runtime.broker import BROKER_ERRORS, connect
from tests.reliability.doors.door import No, NoAnswer, Overheard, Wish, Yes, answer_of

OPEN_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0
LOST: Final = (*BROKER_ERRORS, aio_pika.exceptions.AMQPException, StopAsyncIteration)
"""How the driver says that the broker went; the last one is for one that goes during the handshake."""


class AmqpDoor:
    """Programs that publish commands and wait at a queue of their own. With `speaks_for_others` one of them speaks for
    all, straight to `chat.commands`; without, each speaks for its own login through `chat.inbox`."""

    def __init__(self, url_of: Callable[[str], str], *, speaks_for_others: bool) -> None:
        """`url_of` says where a user, or who speaks for them, logs in; it is asked once for each."""
        self.name = routes.COMMANDS if speaks_for_others else routes.INBOX
        self._url_of = url_of
        self._speaks_for_others = speaks_for_others
        self._urls: dict[str, str] = {}
        self._programs: dict[str, asyncio.Task[_Program]] = {}
        self.overheard = Overheard()

    def know(self, user: str) -> None:
        """They have a login from now on."""
        self._urls[user] = self._url_of(user)

    async def say(self, wish: Wish, within_seconds: float) -> Yes | No:
        """Raises NoAnswer as every door does."""
        url = self._urls[wish.user]
        try:
            async with asyncio.timeout(within_seconds):
                program = await self._program_at(url)
                return answer_of(await program.ask(wish, *self._said(wish)))
        except TimeoutError as late:
            raise NoAnswer("nothing was heard") from late
        except Exception as problem:
            if not _is_of_the_driver(problem):
                raise
            await self._drop(url)
            raise NoAnswer(repr(problem)) from problem

    async def close(self) -> None:
        """All log out."""
        for url in list(self._programs):
            await self._drop(url)

    def _said(self, wish: Wish) -> tuple[str, str, aio_pika.Message]:
        """Exchange, key, message."""
        if self._speaks_for_others:
            body = wish.body() | {"actor": wish.user}
            return routes.COMMANDS, routes.command_key(RoomId(wish.room), wish.verb), _message(body)
        return routes.INBOX, routes.inbox_key(RoomId(wish.room), wish.verb), _message(wish.body(), user_id=wish.user)

    async def _program_at(self, url: str) -> _Program:
        """Whoever gives up waiting for a login does not break it off."""
        opening = self._programs.get(url)
        if opening is None or (opening.done() and (opening.exception() or opening.result().connection.is_closed)):
            opening = self._programs[url] = asyncio.create_task(_Program.open(url, self.overheard))
        return await asyncio.shield(opening)

    async def _drop(self, url: str) -> None:
        opening = self._programs.pop(url, None)
        if opening is None:
            return
        try:
            program = await opening
        except Exception as problem:
            if not _is_of_the_driver(problem):
                raise
            return
        await program.close()


class _Program:
    """An outside program with a queue for its answers."""

    def __init__(self, connection: Any, channel: Any, answers: Any, overheard: Overheard) -> None:
        self.connection = connection
        self._overheard = overheard
        self._name = uuid4().hex
        self._channel = channel
        self._answers = answers
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._asked = 0

    @classmethod
    async def open(cls, url: str, overheard: Overheard) -> _Program:
        connection = await connect(url, "an outside program", timeout_seconds=OPEN_SECONDS)
        try:
            channel = await connection.channel()
            made = cls(connection, channel, await channel.declare_queue(exclusive=True), overheard)
            await made._answers.consume(made._take, no_ack=True)
        except BaseException:
            await _hang_up(connection)
            raise
        return made

    async def ask(self, wish: Wish, exchange: str, key: str, message: aio_pika.Message) -> dict[str, Any]:
        self._asked += 1
        number = message.correlation_id = f"{self._name} {self._asked}"
        message.reply_to = self._answers.name
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            to = await self._channel.get_exchange(exchange, ensure=False)
            await to.publish(message, routing_key=key)
            return await answer
        finally:
            del self._waiting[number]
            if not answer.done() or answer.cancelled():
                self._overheard.give_up(number, wish)

    async def close(self) -> None:
        await _hang_up(self.connection)

    async def _take(self, delivery: Any) -> None:
        answer = json.loads(delivery.body)
        waiting = self._waiting.get(delivery.correlation_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        elif waiting is None:
            self._overheard.take_answer(delivery.correlation_id, answer)


def _message(body: Mapping[str, Any], **properties: Any) -> aio_pika.Message:
    return aio_pika.Message(json.dumps(body).encode(), delivery_mode=2, **properties)


def _is_of_the_driver(problem: Exception) -> bool:
    """A bare Exception is how it ends what waits on a connection that somebody else gave up."""
    return isinstance(problem, LOST) or type(problem) is Exception


async def _hang_up(connection: Any) -> None:
    with contextlib.suppress(*LOST):
        await asyncio.wait_for(connection.close(), CLOSE_SECONDS)
