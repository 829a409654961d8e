"""The stack in the foreground: says where it is reached, restarts what dies, stops everything on Ctrl-C or SIGTERM."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import jwt

from infra.local.endpoints import Endpoints
from infra.local.ledger import StackBusy, read_ledger
from infra.local.ports import NoFreePort
from infra.local.settings import StackSettings
from infra.local.stack import StartFailed, StartGivenUp, down, up
from infra.packages import PackagesUnavailable

DEMO_USERS = ("alice", "bob", "charlie")
TOKEN_DAYS = 30
WATCH_SECONDS = 0.5
# A worker that dies at once is started again ever more rarely.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


class _TakenDown(Exception):
    """Another launcher has taken the stack down: what may run in the folder from now on is not ours."""


def run_foreground(settings: StackSettings) -> None:
    """Bring the stack up, stay until SIGINT or SIGTERM, take it down. Raises what `up` raises when that fails.

    Ends as well, and stops nothing, when the stack is taken down from elsewhere.
    """
    with _stop_signals() as stop, ExitStack() as leaving:
        leaving.callback(_stop_all, settings.folder)
        try:
            _say("starting the stack; logs are in", settings.folder / "logs")
            _say(greeting(up(settings, stop.is_set)))
            _watch(settings, stop)
        except StartGivenUp:
            return
        except _TakenDown:
            leaving.pop_all()
            _say("the stack has been taken down from elsewhere (make down): nothing left to watch")


def demo_token(secret: str, user: str) -> str:
    """A login for a demo user, good for TOKEN_DAYS."""
    now = datetime.now(UTC)
    return jwt.encode({"sub": user, "iat": now, "exp": now + timedelta(days=TOKEN_DAYS)}, secret, algorithm="HS256")


def greeting(endpoints: Endpoints) -> str:
    tokens = "\n".join(f"  {user:8} {demo_token(endpoints.jwt_secret, user)}" for user in DEMO_USERS)
    return f"""
Gatehouse is ready:  {endpoints.doors[0] if endpoints.doors else "without a gate"}

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
        dead = _dead(settings.folder)
        if not dead:
            pause_seconds = FIRST_PAUSE_SECONDS
            continue
        _say(f"{', '.join(dead)} died; starting again (see {settings.folder / 'logs'})")
        if not _started_again(settings, stop):
            stop.wait(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)


def _dead(folder: Path) -> list[str]:
    """The names of what should run and does not. Raises _TakenDown when nothing should."""
    ledger = read_ledger(folder)
    if not ledger.processes:
        raise _TakenDown
    return ledger.dead()


def _started_again(settings: StackSettings, stop: threading.Event) -> bool:
    began = time.monotonic()
    try:
        # What looked like a death may have been the beginning of a `down`, which must not be undone.
        up(settings, lambda: stop.is_set() or not read_ledger(settings.folder).processes)
    except (StartFailed, StackBusy, NoFreePort, PackagesUnavailable) as problem:
        _say(str(problem))
        return False
    except StartGivenUp:
        return False
    _say(f"ready again after {time.monotonic() - began:.1f} seconds")
    return True


def _stop_all(folder: Path) -> None:
    _say("stopping")
    down(folder)
    _say("all stopped")


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
