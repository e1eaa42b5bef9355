"""The processes that are measured, on one core together, and what they use; the generator has the other core."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.books import Figures
from bench.client import clock
from server.embedded import EmbeddedDatabase

SECRET: Final = "the key that the tokens of a measurement are signed with"  # noqa: S105 of nothing but measurements
_HERE: Final = Path(__file__).parent
_START_S: Final = 40.0
_POLL_S: Final = 0.02
_PAGE: Final = resource.getpagesize()
_TICKS: Final = os.sysconf("SC_CLK_TCK")
CORES: Final = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Peer:
    """One kind of server. `database`: whether it stores anything; without, it shows what the transport alone costs."""

    title: str
    command: tuple[str, ...]
    database: bool = True


PEERS: Final = {
    "ours": Peer("proctoring-server", (sys.executable, "-m", "server", "serve")),
    "node": Peer("Node: socket.io, mongodb", ("node", str(_HERE / "peers/node/server.mjs"))),
    "plain": Peer("Python: python-socketio, Motor", (sys.executable, str(_HERE / "peers/plain.py"))),
    "node-bare": Peer("Node: socket.io, no database", ("node", str(_HERE / "peers/node/server.mjs")), database=False),
    "plain-bare": Peer(
        "Python: python-socketio, no database", (sys.executable, str(_HERE / "peers/plain.py")), database=False
    ),
    "echo": Peer("the generator's own limit", (sys.executable, str(_HERE / "peers/echo.py")), database=False),
}


@contextlib.contextmanager
def on_core(which: int) -> Iterator[None]:
    """What is started within this block stays on one core: 0 is the servers', -1 the generator's."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[which]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs. Listens at `host`, `port`."""

    pid: int
    host: str
    port: int

    def cpu_s(self) -> float:
        """The CPU that it has used, all threads of it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss(self) -> int:
        """The memory that it holds, in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE


@contextlib.asynccontextmanager
async def database_process() -> AsyncIterator[Process]:
    """An empty database within this block."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database = EmbeddedDatabase(Path(folder), secured=False)
        with on_core(0):
            await database.start()
        try:
            yield Process(database.pid, "127.0.0.1", int(database.url.rpartition("/")[0].rpartition(":")[2]))
        finally:
            await database.stop()


@contextlib.asynccontextmanager
async def server_process(
    peer: Peer, database_url: str, more: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Process]:
    """The peer's server, with `more` settings, within this block; killed at its end, since nothing of the run is needed
    any more.
    """
    settings = {"PORT": "0", "JWT_SECRET": SECRET, "RATE_LIMITS": "off", "TRANSPORTS": "websocket", **more}
    if peer.database:
        settings["DATABASE_URL"] = database_url
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with on_core(0):
            process = await spawn(peer.command, Path(folder), settings)
        try:
            host, port = await listening(process, Path(folder))
            yield Process(process.pid, host, port)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def spawn(command: Sequence[str], folder: Path, settings: dict[str, str]) -> asyncio.subprocess.Process:
    """Start a command in `folder` with these settings and none from outside; what it says goes to `log` there."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=kept | settings, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )


async def listening(process: asyncio.subprocess.Process, folder: Path) -> tuple[str, int]:
    """Where it says that it listens. RuntimeError with its output where it does not."""
    until, log = clock() + _START_S, folder / "log"
    while process.returncode is None and clock() < until:
        for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.startswith("Listening on http://") and line.endswith("\n"):
                host, _, port = line.split()[2].rstrip(",").removeprefix("http://").partition(":")
                return host, int(port)
        await asyncio.sleep(_POLL_S)
    raise RuntimeError(f"the server does not start: {log.read_text(encoding='utf-8')}")


class Meter:
    """What a server, its database and the generator use from here on."""

    def __init__(self, server: Process, database: Process) -> None:
        self._server, self._database = server, database
        self._begin = self._now()

    def _now(self) -> dict[str, float]:
        own = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "time": clock(),
            "server": self._server.cpu_s(),
            "database": self._database.cpu_s(),
            "generator": own.ru_utime + own.ru_stime,
            "servers' core": _core_s(CORES[0]),
            "generator's core": _core_s(CORES[-1]),
        }

    def figures(self) -> Figures:
        """CPU seconds of server and database; what part of its core the generator used, and others of either core."""
        now = self._now()
        used = {name: now[name] - self._begin[name] for name in now}
        others = used["servers' core"] - used["server"] - used["database"]
        others = max(0.0, others, used["generator's core"] - used["generator"])
        return {
            "serverCpuS": used["server"],
            "databaseCpuS": used["database"],
            "generatorShare": used["generator"] / used["time"],
            "othersShare": others / used["time"],
        }


def _core_s(core: int) -> float:
    """How long a core has worked for processes, or was given to another machine."""
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, steal = (int(fields[place]) for place in (0, 1, 2, 7))
            return (user + nice + system + steal) / _TICKS
    raise RuntimeError(f"no core {core} in /proc/stat")


def allow_many_files() -> None:
    """Let this process and those that it starts have as many connections as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
