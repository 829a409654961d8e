"""`gatehouse`: its commands and options. A failure is one sentence on stderr and exit code 1; wrong usage is 2."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError

from clients.cli.chat import Chat
from clients.cli.endpoints import Endpoints, find_endpoints, socket_url
from clients.cli.failure import Failure
from clients.cli.lines import Kind, Line, render, room_line
from clients.cli.requests import last_messages, my_rooms, perform, sending
from clients.operator.commands import parked_app, room_app, shards
from schemas import limits
from schemas.fields import Text
from schemas.ids import InviteIdField, RoomIdField, UserIdField

TOKEN_HOURS: Final = 12.0

app = typer.Typer(
    name="gatehouse",
    help="Talk to Gatehouse, and bring a local one up and down.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(room_app)
app.command()(shards)
app.add_typer(parked_app)


def _checked(kind: Any) -> Callable[[str | None], str | None]:  # Any: an annotated type of the kernel
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    def check(value: str | None) -> str | None:
        try:
            return None if value is None else adapter.validate_python(value)
        except ValidationError as wrong:
            raise typer.BadParameter(wrong.errors()[0]["msg"]) from wrong

    return check


Gate = Annotated[
    list[str] | None, typer.Option("--gate", help="Address of a gate; several are tried in turn.", metavar="URL")
]
Token = Annotated[str | None, typer.Option("--token", help="A token instead of one signed here.")]
User = Annotated[str | None, typer.Option("--user", help="Who to be.", callback=_checked(UserIdField))]
Room = Annotated[str, typer.Option("--room", help="The room.", callback=_checked(RoomIdField))]
Workers = Annotated[int, typer.Option(min=0, max=64)]


@app.command()
def token(
    user: Annotated[str, typer.Option("--user", help="Who the bearer is to be.", callback=_checked(UserIdField))],
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 365, help="How long it is good for.")] = TOKEN_HOURS,
) -> None:
    """Print a token."""
    print(find_endpoints(Path.cwd()).sign_token(user, datetime.now(UTC), hours))


@app.command()
def chat(
    room: Room,
    user: User = None,
    invite: Annotated[
        str | None, typer.Option("--invite", help="Join by this invite.", callback=_checked(InviteIdField))
    ] = None,
    gate: Gate = None,
    token: Token = None,
) -> None:
    """Talk in a room; /help says how."""
    caller = _Caller(user, gate, token)
    asyncio.run(Chat(room, invite).run(caller.urls, caller.make_token))


@app.command()
def send(
    text: Annotated[str, typer.Argument(callback=_checked(Text))],
    room: Room,
    user: User = None,
    gate: Gate = None,
    token: Token = None,
) -> None:
    """Say one thing in a room."""
    caller = _Caller(user, gate, token)
    accepted = asyncio.run(perform(caller.urls, caller.make_token, sending(room, text)))
    print(f"accepted as {accepted.seq} in {accepted.room}")


@app.command()
def history(
    room: Room,
    user: User = None,
    limit: Annotated[int, typer.Option(min=1, max=limits.PAGE_EVENTS, help="How many messages.")] = 20,
    gate: Gate = None,
    token: Token = None,
) -> None:
    """Show the last messages of a room."""
    caller = _Caller(user, gate, token)
    for line in asyncio.run(perform(caller.urls, caller.make_token, last_messages(room, limit))):
        print(render(line, None))


@app.command()
def rooms(user: User = None, gate: Gate = None, token: Token = None) -> None:
    """List one's rooms, and the public ones there are beside them."""
    caller = _Caller(user, gate, token)
    mine, others = asyncio.run(perform(caller.urls, caller.make_token, my_rooms))
    for heading, views in (("yours:", mine), ("open to join:", others)):
        print(heading if views else f"{heading} none")
        for view in views:
            print("  " + render(Line(Kind.SAID, room_line(view)), None))


@app.command()
def up(gates: Workers = 1, rooms: Workers = 1, histories: Workers = 1) -> None:
    """Start what is missing of a local stack and return when it is ready."""
    from infra import local  # noqa: PLC0415 - talking to a gate far away needs nothing of it

    try:
        endpoints = local.up(local.StackSettings.from_environment(gates=gates, rooms=rooms, histories=histories))
    except (local.PackagesUnavailable, local.StackBusy, local.StartFailed) as problem:
        raise Failure(str(problem)) from problem
    print(f"ready: {', '.join(endpoints.doors)}")


@app.command()
def down() -> None:
    """Stop the local stack; its data stays."""
    from infra import local  # noqa: PLC0415 - talking to a gate far away needs nothing of it

    try:
        names = local.down(local.StackSettings.from_environment().folder)
    except local.StackBusy as problem:
        raise Failure(str(problem)) from problem
    print(f"stopped: {', '.join(names) or 'nothing was running'}")


class _Caller:
    """Who asks, and whom: options first, then what `find_endpoints` finds."""

    def __init__(self, user: str | None, gates: list[str] | None, token: str | None) -> None:
        if (user is None) == (token is None):
            raise typer.BadParameter("give one of --user and --token")
        self._user = user
        self._token = token
        self._endpoints: Endpoints = find_endpoints(Path.cwd())
        self.urls = [socket_url(gate) for gate in gates or self._endpoints.gate_urls()]

    def make_token(self) -> str:
        """A fresh one for every connection. Raises Failure where nothing can sign one."""
        if self._token is not None or self._user is None:
            return self._token or ""
        return self._endpoints.sign_token(self._user, datetime.now(UTC), TOKEN_HOURS)


def main() -> None:
    """The console script."""
    try:
        app()
    except Failure as failure:
        print(f"gatehouse: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
