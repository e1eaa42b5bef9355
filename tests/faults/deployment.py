"""What faults strike: two nodes behind nginx, on one database and one Redis, each a process of its own.

Each node reaches the database through a network of its own, so that one of them, or all, can be cut off it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.processes import SECRET, listening, spawn
from server.embedded import EmbeddedDatabase
from tests.faults.clocks import Clock
from tests.faults.disk import Disk
from tests.faults.network import Network, network_to
from tests.faults.nginx import nginx_before
from tests.processes import stop
from tests.proxies import free_port
from tests.redis import RedisProcess

logger = logging.getLogger(__name__)

_SERVE: Final = (sys.executable, "-m", "server", "serve")
_END_S: Final = 30.0  # as long as Docker and Kubernetes are told to wait


@contextlib.contextmanager
def _stopped(pid: int) -> Iterator[None]:
    stop(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Node:
    """One node. Its port stays the same whenever it is started. `exits`: its status each time it was told to end."""

    def __init__(self, folder: Path, settings: dict[str, str], serve: Sequence[str]) -> None:
        self._folder = folder
        self._serve = serve
        self.port = free_port()
        self.settings = settings | {"PORT": str(self.port)}
        self._process: asyncio.subprocess.Process | None = None
        self._starts = 0
        self.exits: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        self._starts += 1
        folder = self._folder / str(self._starts)
        folder.mkdir(parents=True)
        self._process = await spawn(self._serve, folder, self.settings)
        await listening(self._process, folder)

    async def kill(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def terminate(self) -> None:
        """SIGTERM, and wait for its end; one that does not end is killed, and its status says so. Its log says why."""
        assert self._process
        self._process.terminate()
        try:
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
        assert self._process.returncode is not None
        self.exits.append(self._process.returncode)
        if self._process.returncode:
            log = self._folder / str(self._starts) / "log"
            logger.error("a node ended: %s", log.read_text(encoding="utf-8")[-20_000:])

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        with _stopped(self.pid):
            yield

    def complaints(self) -> list[str]:
        """Tracebacks in its logs, as what was said above them and their last lines."""
        found: list[str] = []
        for log in sorted(self._folder.glob("*/log")):
            lines = log.read_text(encoding="utf-8").splitlines()
            for place, line in enumerate(lines):
                if line.startswith("Traceback"):
                    last = next((one for one in lines[place + 1 :] if not one.startswith(" ")), line)
                    found.append(f"{' '.join(lines[place - 1].split()[2:])}: {last}" if place else last)
        return found


class Deployment:
    """All of it. `url`: nginx's, which is where students and consoles come."""

    def __init__(
        self, folder: Path, database: EmbeddedDatabase, redis: RedisProcess, disk: Disk | None, clock: Clock | None
    ) -> None:
        """`disk`: the database's, where it has one of its own; `clock`: the nodes', where it can be set."""
        self.folder = folder
        self.database = database
        self.redis = redis
        self.networks: list[Network] = []
        self.nodes: list[Node] = []
        self.url = ""
        self.disk = disk
        self.clock = clock

    @property
    def database_url(self) -> str:
        """The database itself, without a network in between."""
        return self.database.url

    def kill_database(self) -> None:
        """It is started again by whoever started it."""
        os.kill(self.database.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def database_standing_still(self) -> Iterator[None]:
        with _stopped(self.database.pid):
            yield

    @contextlib.contextmanager
    def redis_standing_still(self) -> Iterator[None]:
        assert self.redis.process
        with _stopped(self.redis.process.pid):
            yield


@contextlib.asynccontextmanager
async def deployed(
    folder: Path, interval_ms: int, spread_s: float, disk: Disk | None, clock: Clock | None
) -> AsyncIterator[Deployment]:
    """A deployment within this block. `spread_s`: within which a node that ends lets its clients go."""
    common = {
        "JWT_SECRET": SECRET,
        "RATE_LIMITS": "off",
        "PBKDF2_ITERATIONS": "1",
        "LOG_LEVEL": "WARNING",
        "TRUSTED_PROXIES": "127.0.0.1",
        "HEARTBEAT_INTERVAL_MS": str(interval_ms),
        "DRAIN_SPREAD_S": str(spread_s),
    }
    async with contextlib.AsyncExitStack() as stack:
        database = EmbeddedDatabase(disk.folder if disk else folder / "data", secured=False)
        stack.push_async_callback(database.stop)
        await database.start()
        redis = RedisProcess(folder)
        stack.push_async_callback(redis.kill)
        await redis.start()
        deployment = Deployment(folder, database, redis, disk, clock)
        target = int(database.url.rpartition("/")[0].rpartition(":")[2])
        for number in (1, 2):
            network = await stack.enter_async_context(network_to(target))
            own = {"DATABASE_URL": f"mongodb://127.0.0.1:{network.port}/proctoring", "REDIS_URL": redis.url}
            node = Node(folder / f"node{number}", common | own, clock.serve if clock else _SERVE)
            stack.push_async_callback(node.kill)
            deployment.networks.append(network)
            deployment.nodes.append(node)
        await asyncio.gather(*(node.start() for node in deployment.nodes))
        ports = [node.port for node in deployment.nodes]
        deployment.url = await stack.enter_async_context(nginx_before(folder / "nginx", ports))
        yield deployment
