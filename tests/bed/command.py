"""The `gatehouse` command as processes: one that answers and ends, a chat through pipes, and one at a terminal."""

import asyncio
import os
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-P", "-m", "clients.cli.app")
RUN_SECONDS = 45.0
END_SECONDS = 20.0
READ_BYTES = 65_536
SAID = re.compile(r"^\d\d:\d\d #\d+ (\S+): (.*)$")


def command_environment(stack):
    """Only what a person would set: the first gate and the secret; the working folder holds no stack of its own."""
    own = {"PYTHONPATH": str(PROJECT), "GATEHOUSE_HTTP": stack.http, "GATEHOUSE_JWT_SECRET": stack.jwt_secret}
    return {**os.environ, **own, "GATEHOUSE_GATES": ""}


async def run_command(stack, *arguments, typed=""):
    """Run to the end; (exit code, stdout, stderr)."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=command_environment(stack),
    )
    out, err = await asyncio.wait_for(process.communicate(typed.encode()), RUN_SECONDS)
    return process.returncode, out.decode(), err.decode()


class ChatProcess:
    """`gatehouse chat` with a pipe at each end. `lines` is all of stdout so far, `troubles` all of stderr."""

    def __init__(self, process):
        self._process = process
        self.lines = []
        self.troubles = []
        self._readers = [
            asyncio.create_task(_collect(process.stdout, self.lines)),
            asyncio.create_task(_collect(process.stderr, self.troubles)),
        ]

    @classmethod
    async def start(cls, stack, user, room, *gates):
        """On these gates, tried in turn."""
        places = [word for gate in gates for word in ("--gate", gate.url)]
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("chat", "--user", user, "--room", room, *places),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=command_environment(stack),
        )
        return cls(process)

    def said(self):
        """Every message shown, as (user, text), in the order shown."""
        return [found.groups() for line in self.lines if (found := SAID.match(line))]

    def notices(self):
        """Everything shown that is no message."""
        return [line for line in self.lines if not SAID.match(line)]

    async def type(self, *lines):
        """Type lines as fast as the pipe takes them."""
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        await self._process.stdin.drain()

    async def leave(self):
        """End the input and wait for the process; its exit code."""
        self._process.stdin.close()
        return await self._ended()

    async def ended(self):
        """Wait for the process to end by itself; its exit code."""
        return await self._ended()

    async def kill(self):
        """Whatever it does, it ends."""
        if self._process.returncode is None:
            self._process.kill()
        await self._ended()

    async def _ended(self):
        code = await asyncio.wait_for(self._process.wait(), END_SECONDS)
        await asyncio.wait_for(asyncio.gather(*self._readers), END_SECONDS)
        return code


class TerminalChat:
    """`gatehouse chat` at a terminal of its own. `shown` is every byte the terminal got, as text."""

    def __init__(self, process, terminal):
        self._process = process
        self._terminal = terminal
        self.shown = ""
        asyncio.get_running_loop().add_reader(terminal, self._read)

    @classmethod
    async def start(cls, stack, user, room):
        """On the first gate."""
        terminal, inside = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("chat", "--user", user, "--room", room),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**command_environment(stack), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            start_new_session=True,
        )
        os.close(inside)
        return cls(process, terminal)

    def type(self, keys):
        """Press keys; a return is `\r`."""
        os.write(self._terminal, keys.encode())

    async def ended(self):
        """Wait for the process to end by itself; its exit code."""
        return await asyncio.wait_for(self._process.wait(), END_SECONDS)

    async def kill(self):
        """Whatever it does, it ends."""
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()
        asyncio.get_running_loop().remove_reader(self._terminal)
        os.close(self._terminal)

    def _read(self):
        try:
            self.shown += os.read(self._terminal, READ_BYTES).decode(errors="replace")
        except OSError:
            asyncio.get_running_loop().remove_reader(self._terminal)


async def _collect(stream, lines):
    async for line in stream:
        lines.append(line.decode().rstrip("\n"))
