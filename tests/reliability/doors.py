"""The doors as the workloads use them: each says a command and waits for its answer, or finds that none comes.

Nothing is tried again here, and nothing is judged: whoever says a command does both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple, Protocol
from uuid import uuid4

import aio_pika
import httpx

from schemas import routes
from schemas.ids import RoomId
from services.runtime.broker import BROKER_ERRORS, connect
from tests.bed.management import NO_TLS
from tests.bed.rest import CALLS, renamed
from tests.reliability.client import as_pushed, got
from tests.reliability.journal import Answered, Garbled, Journal, Told
from tests.reliability.line import Line, NotOpened

OPEN_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0
LOST: Final = (*BROKER_ERRORS, aio_pika.exceptions.AMQPException, StopAsyncIteration)
"""How the driver says that the broker went; the last one is for one that goes during the handshake."""

WITHOUT_EVENT: Final = frozenset({"mark_read", "mark_delivered", "ban"})
"""Marks make no event, and a ban of somebody who is banned already makes none."""


class NoAnswer(Exception):
    """It is not known what became of the command."""


class Wish(NamedTuple):
    """A try of a command. `again` says that an earlier one had no answer."""

    user: str
    verb: str
    room: str
    command_id: str
    fields: Mapping[str, Any]
    again: bool = False

    def body(self) -> dict[str, Any]:
        """As the contract has it, without the actor."""
        flag = {"retry": True} if self.again else {}
        return {"type": self.verb, "room": self.room, "command_id": self.command_id, **self.fields, **flag}


class Yes(NamedTuple):
    """Accepted. `seq` is None where the door does not tell."""

    epoch: str
    seq: int | None


class No(NamedTuple):
    """Refused."""

    code: str
    definite: bool
    retry: bool


class Overheard:
    """What users were told that they did not wait for, or no longer: pushes, and answers that came late."""

    def __init__(self) -> None:
        self.journals: dict[str, Journal] = defaultdict(Journal)
        self._given_up: dict[str, Wish] = {}

    def give_up(self, number: str, wish: Wish) -> None:
        """Nobody waits for the answer of this number any longer."""
        self._given_up[number] = wish

    def take_answer(self, number: str, answer: Mapping[str, Any]) -> None:
        """A late one counts as any other where it names an event."""
        wish = self._given_up.pop(number, None)
        if wish is not None and answer["type"] == "accepted" and wish.verb not in WITHOUT_EVENT:
            late = Answered(wish.room, answer["epoch"], answer["seq"], wish.command_id, time.monotonic())
            self.journals[wish.user].append(late)

    def take_push(self, user: str, frame: Mapping[str, Any]) -> None:
        """Whatever belongs to a room."""
        if frame["type"] == "event":
            self.journals[user].append(got(frame))
        elif frame["type"] == "signal" and "room" in frame:
            self.journals[user].append(Told(frame["room"], frame["signal"], time.monotonic(), as_pushed(frame)))

    def take_garbled(self, user: str, why: str) -> None:
        """It was no frame."""
        self.journals[user].append(Garbled(why, time.monotonic()))


class Door(Protocol):
    """One way in. Nobody attaches through it."""

    name: str
    overheard: Overheard

    def know(self, user: str) -> None:
        """Somebody will come: make what must be made for them before."""

    async def say(self, wish: Wish, within_seconds: float) -> Yes | No:
        """Have a command applied.

        Raises:
            NoAnswer: nothing was heard of it in time.
        """

    async def close(self) -> None:
        """Everybody hangs up."""


class SocketDoor:
    """WebSockets, one for each user, to any of the gates; a lost one is opened anew with the next command."""

    name = "websocket"

    def __init__(self, gates: Sequence[str], token_of: Callable[[str], str], chance: Random) -> None:
        self._gates = gates
        self._token_of = token_of
        self._chance = chance
        self._lines: dict[str, asyncio.Task[Line]] = {}
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._said = 0
        self.overheard = Overheard()

    def know(self, user: str) -> None:
        """A token is all that they need."""

    async def say(self, wish: Wish, within_seconds: float) -> Yes | No:
        """Raises NoAnswer as every door does."""
        return answer_of(await self.ask(wish.user, wish.body(), within_seconds, wish))

    async def ask(
        self, user: str, frame: Mapping[str, Any], within_seconds: float, wish: Wish | None = None
    ) -> dict[str, Any]:
        """Send any frame, of a `wish` or not; the one that answers it. Raises NoAnswer."""
        self._said += 1
        number = str(self._said)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within_seconds):
                line = await self._line_of(user)
                line.send(id=number, **frame)
                await asyncio.wait([answer, line.lost], return_when=asyncio.FIRST_COMPLETED)
        except (OSError, NotOpened, TimeoutError) as problem:
            raise NoAnswer(repr(problem)) from problem
        finally:
            del self._waiting[number]
            if wish is not None and not answer.done():
                self.overheard.give_up(number, wish)
        if not answer.done():
            raise NoAnswer("the connection ended")
        return answer.result()

    async def close(self) -> None:
        """Cut all of them."""
        for opened in await asyncio.gather(*self._lines.values(), return_exceptions=True):
            if isinstance(opened, Line):
                opened.cut()

    async def _line_of(self, user: str) -> Line:
        """Whoever gives up waiting for a connection does not break it off."""
        opening = self._lines.get(user)
        if opening is None or (opening.done() and (opening.exception() or opening.result().lost.done())):
            opening = self._lines[user] = asyncio.create_task(self._open(user))
        return await asyncio.shield(opening)

    async def _open(self, user: str) -> Line:
        def take(frame: dict[str, Any]) -> None:
            self._take(user, frame)

        def take_garbled(why: str) -> None:
            self.overheard.take_garbled(user, why)

        line = Line(self._chance.choice(self._gates), self._token_of(user), take, take_garbled)
        await line.open(within_seconds=OPEN_SECONDS)
        return line

    def _take(self, user: str, frame: dict[str, Any]) -> None:
        number = str(frame.get("id"))
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)
        elif waiting is None and "id" in frame:
            self.overheard.take_answer(number, frame)
        else:
            self.overheard.take_push(user, frame)


class RestDoor:
    """HTTP, to any of the gates. httpx keeps the time itself: a request that is cancelled from outside may keep its
    place in the pool of connections for ever."""

    name = "rest"

    def __init__(self, gates: Sequence[str], token_of: Callable[[str], str], chance: Random) -> None:
        self._gates = gates
        self._token_of = token_of
        self._chance = chance
        self.overheard = Overheard()
        self._http = httpx.AsyncClient(trust_env=False, verify=NO_TLS, limits=httpx.Limits(max_connections=None))

    def know(self, user: str) -> None:
        """A token is all that they need."""

    async def say(self, wish: Wish, within_seconds: float) -> Yes | No:
        """Raises NoAnswer as every door does."""
        call = CALLS[wish.verb]
        fields = {"room": wish.room, **wish.fields}
        headers = {"Authorization": f"Bearer {self._token_of(wish.user)}", "Idempotency-Key": wish.command_id}
        if wish.again:
            headers["Idempotency-Retry"] = "true"
        url = self._chance.choice(self._gates) + call.path_of(fields)
        body = {} if call.body is None else {"json": renamed(call.body, fields)}
        params = renamed(call.query, fields)
        try:
            response = await self._http.request(
                call.method, url, headers=headers, params=params, timeout=within_seconds, **body
            )
        except httpx.HTTPError as problem:
            raise NoAnswer(repr(problem)) from problem
        told = response.json()
        if response.is_success:
            return Yes(told.get("epoch", ""), told.get("sequence_id"))
        return No(told["gatehouse_code"], told["definite"], told["retry"])

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()


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


def answer_of(answer: Mapping[str, Any]) -> Yes | No:
    """What an `accepted` or `refused` of the contract says."""
    if answer["type"] == "refused":
        return No(answer["code"], answer["definite"], answer["retry"])
    return Yes(answer.get("epoch", ""), answer.get("seq"))


def _message(body: Mapping[str, Any], **properties: Any) -> aio_pika.Message:
    return aio_pika.Message(json.dumps(body).encode(), delivery_mode=2, **properties)


def _is_of_the_driver(problem: Exception) -> bool:
    """A bare Exception is how it ends what waits on a connection that somebody else gave up."""
    return isinstance(problem, LOST) or type(problem) is Exception


async def _hang_up(connection: Any) -> None:
    with contextlib.suppress(*LOST):
        await asyncio.wait_for(connection.close(), CLOSE_SECONDS)
