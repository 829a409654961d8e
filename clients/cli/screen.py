"""Where lines are shown and typed: plain pipes, or a terminal whose typed line survives the incoming ones."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final, Protocol, Self

from clients.cli.lines import Kind, Line, render

LINES_AHEAD: Final = 100
COLOURS: Final = {Kind.SAID: "", Kind.NOTICE: "ansibrightblack", Kind.STATUS: "ansiyellow", Kind.PROBLEM: "ansired"}


class Screen(Protocol):
    """What a chat needs of the place it happens in."""

    def show(self, line: Line) -> None:
        """Put a line below the others."""
        ...

    def typed(self) -> AsyncIterator[str]:
        """The lines the person types, until they leave."""
        ...


class PipeScreen:
    """Standard input and output without a terminal: what happens in the room on stdout, everything else on stderr."""

    def show(self, line: Line) -> None:
        stream = sys.stdout if line.kind in (Kind.SAID, Kind.NOTICE) else sys.stderr
        print(render(line, None), file=stream, flush=True)

    async def typed(self) -> AsyncIterator[str]:
        """Reads in a thread of its own (a regular file cannot be waited for), never far ahead of the taker."""
        loop = asyncio.get_running_loop()
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        room = threading.Semaphore(LINES_AHEAD)
        threading.Thread(target=_read_lines, args=(loop, lines, room), daemon=True).start()
        while (line := await lines.get()) is not None:
            room.release()
            yield line.rstrip("\r\n")


def _read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None], room: threading.Semaphore) -> None:
    try:
        for line in sys.stdin:
            room.acquire()
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)
    except RuntimeError:
        return  # the loop has ended before the input did


class TerminalScreen:
    """A prompt at the bottom, the conversation above it, and below it who is writing and what waits."""

    def __init__(self, status: Callable[[], str], on_key: Callable[[], None]) -> None:
        from prompt_toolkit import PromptSession  # noqa: PLC0415 - slow to import and of no use in pipes
        from prompt_toolkit.patch_stdout import patch_stdout  # noqa: PLC0415 - the same

        self._session: PromptSession[str] = PromptSession(
            "> ", erase_when_done=True, bottom_toolbar=lambda: status() or None, refresh_interval=0.5
        )
        self._session.default_buffer.on_text_changed += lambda buffer: _if_writing(buffer.text, on_key)
        self._patched: AbstractContextManager[None] = patch_stdout(raw=True)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._patched)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def show(self, line: Line) -> None:
        from prompt_toolkit import print_formatted_text  # noqa: PLC0415 - slow to import and of no use in pipes
        from prompt_toolkit.formatted_text import FormattedText  # noqa: PLC0415 - the same

        print_formatted_text(FormattedText([(COLOURS[line.kind], render(line, None))]))

    async def typed(self) -> AsyncIterator[str]:
        while True:
            try:
                yield await self._session.prompt_async()
            except (EOFError, KeyboardInterrupt):
                return


def _if_writing(text: str, on_key: Callable[[], None]) -> None:
    if text and not text.startswith("/"):
        on_key()


def at_a_terminal() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()
