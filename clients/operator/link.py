"""One visit to the broker: connect, do a deed within a bound, leave; what goes wrong is one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit

from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity, ConnectionClosed, ProbableAuthenticationError

from clients.cli.failure import Failure
from services.runtime.broker import BROKER_ERRORS, connect, given_up_is_an_error
from services.runtime.observe import configure_logging

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 10.0
"""The bound on every single wait for the broker."""
VISIT_SECONDS: Final = 600.0
"""The bound on all of it."""

Result = TypeVar("Result")


def visit(url: str, deed: Callable[[AbstractConnection], Awaitable[Result]]) -> Result:
    """Connect to the broker at `url` and do a deed there.

    Raises:
        Failure: that is no address of a broker, it cannot be reached, or ends it; or the deed's own.
    """
    _check(url)
    configure_logging("CRITICAL")
    return asyncio.run(_visit(url, deed))


async def _visit(url: str, deed: Callable[[AbstractConnection], Awaitable[Result]]) -> Result:
    connection = await _connected(url)
    try:
        async with asyncio.timeout(VISIT_SECONDS), given_up_is_an_error():
            return await deed(connection)
    except ChannelNotFoundEntity as missing:
        raise Failure(f"this broker holds nothing of Gatehouse yet: {_reason(missing)}") from missing
    except BROKER_ERRORS as problem:
        raise Failure(f"the broker at {_place(url)} did not do it: {_reason(problem)}") from problem
    finally:
        await _leave(connection)


async def _connected(url: str) -> AbstractConnection:
    try:
        async with given_up_is_an_error():
            return await connect(url, "operator", timeout_seconds=CONNECT_SECONDS)
    except (ProbableAuthenticationError, ConnectionClosed) as refused:
        raise Failure(f"the broker at {_place(url)} does not let us in: {_reason(refused)}") from refused
    except BROKER_ERRORS as problem:
        raise Failure(f"cannot reach the broker at {_place(url)}: {_reason(problem)}") from problem


async def _leave(connection: AbstractConnection) -> None:
    try:
        async with given_up_is_an_error(), asyncio.timeout(ANSWER_SECONDS):
            await connection.close()
    except BROKER_ERRORS:
        return  # it is gone either way


def _check(url: str) -> None:
    address = urlsplit(url)
    if address.scheme not in ("amqp", "amqps") or not address.hostname:
        raise Failure("a broker is an address like amqp://user:password@127.0.0.1:5672/vhost")


def _place(url: str) -> str:
    """Where the broker is; never the password."""
    address = urlsplit(url)
    return f"{address.hostname}:{address.port or (5671 if address.scheme == 'amqps' else 5672)}"


def _reason(problem: BaseException) -> str:
    if isinstance(problem, ConnectionRefusedError) or isinstance(problem.__cause__, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return " ".join(str(problem).split()) or type(problem).__name__
