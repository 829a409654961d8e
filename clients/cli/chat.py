"""`gatehouse chat`: one conversation between a screen and a gate, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Final, assert_never

from clients.cli.connection import Link, Trouble, keep_connected, new_command_id
from clients.cli.conversation import Conversation
from clients.cli.entrance import Phase
from clients.cli.failure import Failure
from clients.cli.lines import notice, problem, status
from clients.cli.screen import PipeScreen, Screen, TerminalScreen, at_a_terminal
from clients.cli.slash import Deed, Local, Say, Wrong, help_lines, read_typed

TICK_SECONDS: Final = 0.25
LEAVE_SECONDS: Final = 15.0
"""How long a person who leaves waits for the answers to what they said."""
HISTORY_COUNT: Final = 20


class Chat:
    """Ties a `Conversation` to a screen and a row of links. `run` does all of it."""

    def __init__(self, room: str, invite: str | None = None) -> None:
        self._conversation = Conversation(room, join_id=new_command_id(), invite=invite)
        self._changed = asyncio.Event()
        self._takes_more = asyncio.Event()
        self._screen: Screen = PipeScreen()
        self._takes_more.set()
        self._leaving = False
        self._troubled = False

    async def run(self, urls: Sequence[str], make_token: Callable[[], str]) -> None:
        """Chat until the person leaves. Raises Failure when the gate or the room wants no more of them."""
        with contextlib.ExitStack() as stack:
            if at_a_terminal():
                self._screen = stack.enter_context(TerminalScreen(self._status, self._on_key))
            reading = asyncio.create_task(self._take_typed())
            try:
                await self._until_done(reading, asyncio.create_task(self._stay(urls, make_token)))
            finally:
                self._show()

    async def _until_done(self, reading: asyncio.Task[None], staying: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait({reading, staying}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
                await self._leave(staying)
            if staying.done():
                await staying
        finally:
            for task in (reading, staying):
                task.cancel()
            await asyncio.gather(reading, staying, return_exceptions=True)

    async def _leave(self, staying: asyncio.Task[None]) -> None:
        """Wait, bounded, until all that was asked for and said is answered; a person at a terminal waits for less."""
        if at_a_terminal() and not self._conversation.unanswered:
            return
        self._leaving = True
        self._changed.set()
        await asyncio.wait({staying}, timeout=LEAVE_SECONDS)
        if not staying.done() and (count := self._conversation.unanswered):
            raise Failure(f"{count} of your messages got no answer; they may or may not have been sent")

    async def _stay(self, urls: Sequence[str], make_token: Callable[[], str]) -> None:
        await keep_connected(urls, make_token, self._serve, self._on_trouble)

    async def _serve(self, link: Link) -> None:
        self._conversation.link_made(link.user, monotonic())
        self._say_connected_again()
        receiving = asyncio.create_task(self._receive(link))
        try:
            while not self._done():
                await self._settle(link)
                if receiving.done():
                    await receiving
                await self._wait_for_change()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            self._conversation.link_lost()
            self._show()
        if self._conversation.ending is not None:
            raise Failure(self._conversation.ending)

    def _done(self) -> bool:
        return (self._leaving and self._conversation.at_rest) or self._conversation.phase is Phase.OVER

    def _say_connected_again(self) -> None:
        if self._troubled:
            self._troubled = False
            self._screen.show(status("connected again"))

    async def _receive(self, link: Link) -> None:
        try:
            while True:
                self._conversation.receive(await link.receive(), monotonic())
                self._changed.set()
        finally:
            self._changed.set()

    async def _settle(self, link: Link) -> None:
        """Do what is due, show what is to be shown, send what is to be sent."""
        self._conversation.tick(monotonic())
        self._show()
        self._make_room()
        for frame in self._conversation.frames_to_send():
            await link.send(frame)

    async def _wait_for_change(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_SECONDS):
                await self._changed.wait()
        self._changed.clear()

    def _on_trouble(self, trouble: Trouble) -> None:
        self._troubled = True
        self._screen.show(status(f"{trouble.sentence}; trying again in {trouble.again_in_seconds:.1f} s"))

    async def _take_typed(self) -> None:
        async for text in self._screen.typed():
            await self._takes_more.wait()
            if text.strip() == "/quit":
                return
            self._obey(text)
            self._show()
            self._make_room()
            self._changed.set()

    def _obey(self, text: str) -> None:
        now = monotonic()
        match read_typed(text, self._conversation.room, datetime.now(UTC)):
            case Say(said):
                self._conversation.say(said, new_command_id(), now)
            case Deed(fields):
                self._conversation.wish(fields, new_command_id(), now)
            case Local(name, count):
                self._obey_here(name, count, now)
            case Wrong(sentence):
                self._screen.show(problem(sentence))
            case other:
                assert_never(other)

    def _obey_here(self, name: str, count: int | None, now: float) -> None:
        match name:
            case "who":
                self._conversation.show_members()
            case "rooms":
                self._conversation.ask_rooms(now)
            case "history":
                self._conversation.ask_history(HISTORY_COUNT if count is None else count, now)
            case "help":
                for line in help_lines():
                    self._screen.show(notice(line))
            case _:
                raise AssertionError(f"/{name} is in the table and is not obeyed")

    def _make_room(self) -> None:
        """A pipe waits while too many messages want their answer."""
        if self._conversation.takes_more:
            self._takes_more.set()
        else:
            self._takes_more.clear()

    def _show(self) -> None:
        for line in self._conversation.lines_to_show():
            self._screen.show(line)

    def _on_key(self) -> None:
        self._conversation.write(monotonic())
        self._changed.set()

    def _status(self) -> str:
        writers = self._conversation.writers(monotonic())
        waiting = self._conversation.unanswered
        parts = [
            f"{', '.join(writers)} {'is' if len(writers) == 1 else 'are'} writing" if writers else "",
            f"{waiting} not answered yet" if waiting else "",
            "" if self._conversation.phase is Phase.HERE else "not connected",
        ]
        return " · ".join(filter(None, parts))
