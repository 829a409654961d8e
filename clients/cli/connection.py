"""The native WebSocket of a gate, and staying connected to one of several gates by the rules of the close codes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic, time
from typing import Any, Final
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from clients.cli.backoff import STEADY_SECONDS, comes_back, delay_seconds
from clients.cli.endpoints import renewal_seconds
from clients.cli.failure import Failure
from clients.cli.wire import Received, read_frame
from schemas.errors import ERRORS, Code
from schemas.frames import Bye, Welcome

OPEN_SECONDS: Final = 10.0
SEND_SECONDS: Final = 10.0
PING_SECONDS: Final = 15.0
CLOSE_SECONDS: Final = 2.0
GIVE_UP_SECONDS: Final = 300.0
FRAME_LIMIT_BYTES: Final = 32 * 1024 * 1024
"""A page of the longest messages is far larger than any frame a client may send."""
FRAMES_AHEAD: Final = 64
LOST: Final = 1006
REFUSED_STATUSES: Final = frozenset({401, 403})


class LinkClosed(Exception):
    """The connection ended; `code` says whether to come back."""

    def __init__(self, code: int, reason: str, retry_after_seconds: float | None = None) -> None:
        self.code = code
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        super().__init__(_said(reason) or f"the connection was closed with code {code}")


def _said(reason: str) -> str:
    """A gate gives the code of the registry as its reason; a person wants the sentence."""
    try:
        return ERRORS[Code(reason)].message
    except ValueError:
        return reason


class Unreachable(Exception):
    """No connection came about this time."""


class Link:
    """One live connection; `user` is who the gate says one is, once it has said welcome."""

    def __init__(self, socket: ClientConnection) -> None:
        self.user = ""
        self._socket = socket
        self._bye: Bye | None = None

    async def send(self, frame: dict[str, Any]) -> None:  # Any: a JSON object
        """Write a frame. Raises LinkClosed, also when the gate takes nothing for SEND_SECONDS."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send(json.dumps(frame, ensure_ascii=False))
        except ConnectionClosed as closed:
            raise self._closed(closed) from closed
        except TimeoutError as late:
            raise LinkClosed(LOST, "the gate does not read any more") from late

    async def receive(self) -> Received:
        """The next frame that can be read. Raises LinkClosed; a silent gate is found out by pings."""
        while True:
            try:
                frame = read_frame(await self._socket.recv())
            except ConnectionClosed as closed:
                raise self._closed(closed) from closed
            if isinstance(frame, Bye):
                self._bye = frame
            if frame is not None:
                return frame

    async def wait_for_welcome(self) -> None:
        """The gate knows who speaks. Raises LinkClosed, Unreachable."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                while not isinstance(frame := await self.receive(), Welcome):
                    pass
        except TimeoutError as late:
            raise Unreachable(f"the gate did not say welcome within {OPEN_SECONDS:.0f} seconds") from late
        self.user = frame.user

    def _closed(self, closed: ConnectionClosed) -> LinkClosed:
        frame = closed.rcvd
        bye = self._bye
        code = frame.code if frame else (bye.code if bye else LOST)
        reason = (frame.reason if frame else "") or (bye.reason if bye else "")
        return LinkClosed(code, reason, bye.retry_after_seconds if bye else None)


@asynccontextmanager
async def open_link(url: str, token: str) -> AsyncIterator[Link]:
    """Connect and wait for the welcome.

    Raises:
        Unreachable: nobody answers there, or not now.
        LinkClosed: the gate ended it at once.
        Failure: the gate will never take this token, or it is no gate.
    """
    socket = await _open_socket(url, token)
    try:
        link = Link(socket)
        await link.wait_for_welcome()
        yield link
    finally:
        await socket.close()


async def _open_socket(url: str, token: str) -> ClientConnection:
    try:
        return await connect(
            url,
            additional_headers={"Authorization": f"Bearer {token}"},
            open_timeout=OPEN_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            close_timeout=CLOSE_SECONDS,
            max_size=FRAME_LIMIT_BYTES,
            max_queue=FRAMES_AHEAD,
            proxy=None,
        )
    except InvalidStatus as refused:
        raise _refusal(url, refused.response.status_code) from refused
    except InvalidURI as wrong:
        raise Failure(f"{url} is no address of a gate") from wrong
    except (OSError, TimeoutError, InvalidHandshake) as problem:
        raise Unreachable(f"cannot reach the gate at {url}: {_sentence(problem)}") from problem


def _refusal(url: str, status: int) -> Exception:
    if status in REFUSED_STATUSES:
        return Failure(f"the gate at {url} does not accept this token (HTTP {status})")
    return Unreachable(f"the gate at {url} answers with HTTP {status}")


def _sentence(problem: Exception) -> str:
    match problem:
        case ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError():
            return f"no answer within {OPEN_SECONDS:.0f} seconds"
        case OSError(strerror=str(words)) if words:
            return words
        case _:
            return str(problem)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A connection that is gone or did not come about, and when the next one is tried."""

    sentence: str
    again_in_seconds: float


async def keep_connected(
    urls: Sequence[str],
    make_token: Callable[[], str],
    serve: Callable[[Link], Awaitable[None]],
    on_trouble: Callable[[Trouble], None],
    *,
    give_up_seconds: float = GIVE_UP_SECONDS,
) -> None:
    """Serve one link after the other, on the gates in turn, until `serve` returns.

    `serve` lets LinkClosed pass. Until the first welcome every gate is tried once; afterwards connections are tried
    again with jittered backoff for up to `give_up_seconds` in a row.

    A link stays known to its gate: half of a token's life before it ends, `make_token` is asked for another.

    Raises:
        Failure: a gate said not to come back, or none could be reached.
    """
    rounds = _Rounds(urls, give_up_seconds)
    while True:
        try:
            token = make_token()
            async with open_link(rounds.url, token) as link:
                rounds.welcomed(monotonic())
                return await _serve_known(link, serve, token, make_token)
        except (LinkClosed, Unreachable) as problem:
            trouble = rounds.next_after(problem, monotonic())
        on_trouble(trouble)
        await asyncio.sleep(trouble.again_in_seconds)


async def _serve_known(
    link: Link, serve: Callable[[Link], Awaitable[None]], token: str, make_token: Callable[[], str]
) -> None:
    renewing = asyncio.create_task(_renew(link, token, make_token))
    try:
        await serve(link)
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def _renew(link: Link, token: str, make_token: Callable[[], str]) -> None:
    """Say hello with a new token in time, as long as there is a new one. Raises LinkClosed."""
    while (seconds := renewal_seconds(token, time())) is not None:
        await asyncio.sleep(seconds)
        token, before = make_token(), token
        if token == before:
            return
        await link.send({"type": "hello", "token": token})


class _Rounds:
    """Which gate is next, after how long, and when to stop trying."""

    def __init__(self, urls: Sequence[str], give_up_seconds: float) -> None:
        self._urls = urls
        self._give_up_seconds = give_up_seconds
        self._number = 0
        self._failures = 0
        self._ever_welcomed = False
        self._welcomed_at: float | None = None
        self._down_since: float | None = None

    @property
    def url(self) -> str:
        return self._urls[self._number % len(self._urls)]

    def welcomed(self, now: float) -> None:
        self._ever_welcomed = True
        self._welcomed_at = now
        self._down_since = None

    def next_after(self, problem: LinkClosed | Unreachable, now: float) -> Trouble:
        """Raises Failure when there is no next time."""
        if isinstance(problem, LinkClosed) and not comes_back(problem.code):
            raise Failure(f"the gate ended the connection: {problem}") from problem
        self._number += 1
        steady = self._welcomed_at is not None and now - self._welcomed_at >= STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        self._welcomed_at = None
        self._check_patience(problem, now)
        asked = problem.retry_after_seconds if isinstance(problem, LinkClosed) else None
        return Trouble(str(problem), delay_seconds(self._failures, random.random(), asked))  # noqa: S311 - jitter

    def _check_patience(self, problem: Exception, now: float) -> None:
        if self._down_since is None:
            self._down_since = now
        tried_all = not self._ever_welcomed and self._failures >= len(self._urls)
        if tried_all or now - self._down_since > self._give_up_seconds:
            raise Failure(str(problem)) from problem


def new_command_id() -> str:
    """A command_id nobody else has."""
    return uuid4().hex


async def ask(link: Link, frame: dict[str, Any], timeout_seconds: float) -> Received:  # Any: a JSON object
    """Send a frame and wait for the frame that carries its `id`. Raises LinkClosed, TimeoutError."""
    async with asyncio.timeout(timeout_seconds):
        await link.send(frame)
        while True:
            answer = await link.receive()
            if getattr(answer, "id", None) == frame["id"]:
                return answer
