"""The server as a process of its own, for what only a process can show: restarts, kills, the command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp

START_S = 40


def environment(**settings: object) -> dict[str, str]:
    """An environment with these settings and none from outside."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PBKDF2_ITERATIONS": "1"} | {name: str(value) for name, value in settings.items()}


async def run(*arguments: str, cwd: Path, stdin: str = "", **settings: object) -> tuple[int, str, str]:
    """Run the command line to its end: exit status, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        *arguments,
        cwd=cwd,
        env=environment(**settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 120)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class ServerProcess:
    """`python -m server serve …` until it is stopped. `output` is what it has said so far."""

    def __init__(self, cwd: Path, arguments: Iterable[str] = (), **settings: object):
        self.cwd, self.arguments, self.settings = cwd, arguments, settings
        self.output: list[str] = []
        self.process: asyncio.subprocess.Process | None = None
        self.url = self.ws_url = ""

    async def start(self) -> ServerProcess:
        self.output = []
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server",
            "serve",
            *self.arguments,
            cwd=self.cwd,
            env=environment(**self.settings),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        listening = await asyncio.wait_for(self.line("Listening on"), START_S)
        self.url, *more = [word.rstrip(",") for word in listening.split() if word.startswith("http")]
        self.ws_url = more[0] if more else self.url
        return self

    async def line(self, containing: str) -> str:
        """Its next line of output that contains this."""
        assert self.process
        assert self.process.stdout
        while line := (await self.process.stdout.readline()).decode():
            self.output.append(line)
            if containing in line:
                return line.strip()
        raise AssertionError(f"the server ended: {''.join(self.output)}")

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def database_pid(self) -> int:
        """Its embedded database's process."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        (child,) = [int(one) for one in children if "secantus" in Path(f"/proc/{one}/cmdline").read_text()]
        return child

    async def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(number)
        await asyncio.wait_for(self.process.communicate(), 30)
        assert self.process.returncode is not None
        return self.process.returncode


@contextlib.asynccontextmanager
async def serving(cwd: Path, *arguments: str, **settings: object) -> AsyncIterator[ServerProcess]:
    """A server process within this block, killed at its end if it is still there."""
    server = ServerProcess(cwd, arguments, **({"PORT": 0} | settings))
    try:
        yield await server.start()
    finally:
        if server.process and server.process.returncode is None:
            await server.end(signal.SIGKILL)


async def ready(http: aiohttp.ClientSession, url: str) -> int:
    """The status of /readyz; 0 where nothing answers."""
    try:
        async with http.get(url + "/readyz") as response:
            await response.read()
            return response.status
    except aiohttp.ClientError:
        return 0


async def until(holds: Any, seconds: float = 30) -> None:
    """Wait until `await holds()`."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def stop(pid: int) -> None:
    """Have a process stand still; it does when this returns."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)
