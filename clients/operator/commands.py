"""The operators' commands of `gatehouse`. What talks to the broker is imported when it is wanted: chat needs none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from clients.cli.endpoints import find_endpoints
from clients.cli.failure import Failure
from clients.operator.parked import Parked, is_chosen
from clients.operator.tables import behind_lines, parked_lines, parked_text, room_lines, shard_lines
from schemas.ids import RoomId, RoomIdField

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection

    from clients.operator.parked_queue import Taken
    from clients.operator.shards import Line, Roll

LISTEN_SECONDS: Final = 5.0

room_app = typer.Typer(name="room", help="Look at a room as its writer holds it.", no_args_is_help=True)
parked_app = typer.Typer(name="parked", help="Deliveries that could not be settled.", no_args_is_help=True)

AmqpUrl = Annotated[str | None, typer.Option("--amqp-url", help="The broker.", metavar="URL")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids, as `parked list` shows them.", metavar="ID...")]
All = Annotated[bool, typer.Option("--all", help="All there are, or all of the --reason.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only those of this reason.", metavar="REASON")]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Those that are meant, and how many lie behind all that was looked at."""

    parked: list[Parked]
    behind: int


def _checked_room(value: str) -> str:
    try:
        return TypeAdapter(RoomIdField).validate_python(value)
    except ValidationError as wrong:
        raise typer.BadParameter(wrong.errors()[0]["msg"]) from wrong


@room_app.callback()
def _room() -> None:
    """Keep `show` a command of its own."""


@room_app.command("show")
def show_room(
    room: Annotated[str, typer.Argument(metavar="ID", callback=_checked_room)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    amqp_url: AmqpUrl = None,
) -> None:
    """State, position, fence, writer, and sessions per gate."""
    from clients.operator.inspection import inspect  # noqa: PLC0415 - chat needs nothing of it
    from clients.operator.link import visit  # noqa: PLC0415 - the same

    seen = visit(_broker(amqp_url), lambda connection: inspect(connection, RoomId(room)))
    print(seen.to_json().decode() if as_json else "\n".join(room_lines(seen)))


def shards(
    seconds: Annotated[float, typer.Option(min=0.1, max=60, help="How long to wait for the workers.")] = LISTEN_SECONDS,
    amqp_url: AmqpUrl = None,
) -> None:
    """Show which room worker is active on which shard."""
    from clients.operator.link import visit  # noqa: PLC0415 - chat needs nothing of it
    from clients.operator.roll_call import call_roll, standing  # noqa: PLC0415 - the same

    async def ask(connection: AbstractConnection) -> tuple[list[Line], Roll]:
        lines = await standing(connection)
        return lines, await call_roll(connection, len(lines), seconds)

    print("\n".join(shard_lines(*visit(_broker(amqp_url), ask))))


@parked_app.command("list")
def list_parked(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many lines.")] = 50,
    reason: Reason = None,
    amqp_url: AmqpUrl = None,
) -> None:
    """What is there, the oldest first."""
    seen = _seen(amqp_url, (), reason)
    print("\n".join([*parked_lines(seen.parked, limit), *behind_lines(seen.behind)]))


@parked_app.command("show")
def show_parked(
    wanted: Annotated[str, typer.Argument(metavar="ID")],
    amqp_url: AmqpUrl = None,
) -> None:
    """One of them, with its headers and its body."""
    seen = _seen(amqp_url, [wanted], None, whole=True)
    if not seen.parked:
        raise _nothing(f"nothing of the id {wanted} is parked", seen)
    print("\n".join(parked_text(seen.parked[0])))


@parked_app.command("replay")
def replay_parked(ids: Ids = None, *, every: All = False, reason: Reason = None, amqp_url: AmqpUrl = None) -> None:
    """Send them back to where they came from; each leaves when the broker has confirmed that."""
    from clients.operator.link import visit  # noqa: PLC0415 - chat needs nothing of it
    from clients.operator.parked_queue import replay  # noqa: PLC0415 - the same

    chosen, behind = _chosen(ids, reason, amqp_url, every=every)
    taken = visit(_broker(amqp_url), lambda connection: replay(connection, chosen))
    _report(taken, "replayed", behind)


@parked_app.command("drop")
def drop_parked(
    ids: Ids = None,
    *,
    every: All = False,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    amqp_url: AmqpUrl = None,
) -> None:
    """Forget them for good."""
    from clients.operator.link import visit  # noqa: PLC0415 - chat needs nothing of it
    from clients.operator.parked_queue import drop  # noqa: PLC0415 - the same

    chosen, behind = _chosen(ids, reason, amqp_url, every=every)
    if not yes and not typer.confirm(f"drop {chosen.total()} for good?", err=True):
        raise Failure("nothing was dropped")
    taken = visit(_broker(amqp_url), lambda connection: drop(connection, chosen))
    _report(taken, "dropped", behind)


def _broker(amqp_url: str | None) -> str:
    return amqp_url or find_endpoints(Path.cwd()).broker_url()


def _chosen(
    ids: list[str] | None, reason: str | None, amqp_url: str | None, *, every: bool
) -> tuple[Counter[str], int]:
    """How many of each id are meant, and how many lie behind what was looked at where all are meant.

    Raises:
        Failure: an id names nothing.
    """
    if bool(ids) == every:
        raise typer.BadParameter("give ids, or --all")
    seen = _seen(amqp_url, ids or (), reason)
    chosen = Counter(parked.id for parked in seen.parked)
    missing = [wanted for wanted in ids or () if wanted not in chosen]
    if missing:
        raise _nothing(f"nothing of the id {missing[0]} is parked" + (f" for {reason}" if reason else ""), seen)
    if not chosen:
        raise _nothing("nothing is parked" + (f" for {reason}" if reason else ""), seen)
    return chosen, seen.behind if every else 0


def _nothing(sentence: str, seen: _Seen) -> Failure:
    """Nothing was found, as far as one looked."""
    return Failure("; ".join([sentence, *behind_lines(seen.behind)]))


def _seen(amqp_url: str | None, ids: Sequence[str], reason: str | None, *, whole: bool = False) -> _Seen:
    """Look for those that are meant; they have their bodies where `whole`."""
    from clients.operator.link import visit  # noqa: PLC0415 - chat needs nothing of it
    from clients.operator.parked_queue import look  # noqa: PLC0415 - the same

    found: list[Parked] = []

    def see(parked: Parked) -> None:
        if is_chosen(parked, ids, reason):
            found.append(parked if whole else parked.without_body())

    behind = visit(_broker(amqp_url), lambda connection: look(connection, see))
    return _Seen(found, behind)


def _report(taken: Taken, word: str, behind: int) -> None:
    """Say what was done, and what one did not get to; what stayed makes it a failure."""
    print("\n".join([f"{word}: {taken.gone}", *behind_lines(behind)]))
    if taken.stayed:
        [(first, problem), *others] = taken.stayed
        raise Failure(f"{first} stays parked: {problem}" + (f"; and {len(others)} more stay" if others else ""))
