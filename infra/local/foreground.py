"""The stack in the foreground: says where it is reached, restarts what dies, stops everything on Ctrl-C or SIGTERM."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import FrameType

import jwt

from infra.local.endpoints import Endpoints
from infra.local.ledger import read_ledger
from infra.local.settings import StackSettings
from infra.local.stack import StartFailed, StartGivenUp, down, up

DEMO_USERS = ("alice", "bob", "charlie")
TOKEN_DAYS = 30
WATCH_SECONDS = 0.5
# A worker that dies at once is started again ever more rarely.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


def run_foreground(settings: StackSettings) -> None:
    """Bring the stack up, stay until SIGINT or SIGTERM, take it down. Raises what `up` raises when that fails."""
    with _stop_signals() as stop:
        try:
            _say("starting the stack; logs are in", settings.folder / "logs")
            _say(greeting(up(settings, stop.is_set)))
            _watch(settings, stop)
        except StartGivenUp:
            pass
        finally:
            _say("stopping")
            down(settings.folder)
            _say("all stopped")


def demo_token(secret: str, user: str) -> str:
    """A login for a demo user, good for TOKEN_DAYS."""
    now = datetime.now(UTC)
    return jwt.encode({"sub": user, "iat": now, "exp": now + timedelta(days=TOKEN_DAYS)}, secret, algorithm="HS256")


def greeting(endpoints: Endpoints) -> str:
    tokens = "\n".join(f"  {user:8} {demo_token(endpoints.jwt_secret, user)}" for user in DEMO_USERS)
    return f"""
Gatehouse is ready:  {endpoints.http}

Open that address in a browser, or chat from two terminals:
  gatehouse chat --user alice --room general
  gatehouse chat --user bob --room general
(`make run` keeps the command in .venv/bin)

Demo tokens (Authorization: Bearer <token>):
{tokens}

Ctrl-C stops everything.
"""


def _watch(settings: StackSettings, stop: threading.Event) -> None:
    pause_seconds = FIRST_PAUSE_SECONDS
    while not stop.wait(WATCH_SECONDS):
        dead = read_ledger(settings.folder).dead()
        if not dead:
            pause_seconds = FIRST_PAUSE_SECONDS
            continue
        _say(f"{', '.join(dead)} died; starting again (see {settings.folder / 'logs'})")
        if not _started_again(settings, stop):
            stop.wait(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)


def _started_again(settings: StackSettings, stop: threading.Event) -> bool:
    began = time.monotonic()
    try:
        up(settings, stop.is_set)
    except StartFailed as failure:
        _say(str(failure))
        return False
    _say(f"ready again after {time.monotonic() - began:.1f} seconds")
    return True


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """SIGINT and SIGTERM set the event; a second one while stopping changes nothing, the stop itself is bounded."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(*words: object) -> None:
    print(*words, flush=True)
