"""What an event costs one node, two and four on one database: CPU, memory, bytes by Redis, disk. For docs/scale.md.

All processes share one core, so nothing here shows that more nodes do more; it shows what each thing costs in each
number of nodes, which a model can add up (`bench/scale.py`). Every load is measured beside a quiet run of the same
people, which is taken off.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from rich.console import Console as Screen

from bench import pace
from bench.books import Figures
from bench.client import clock
from bench.hall import Hall
from bench.people import Console, Student
from bench.processes import PEERS, Process, database_process, on_core, server_process, spawn
from bench.results import Measured, Run, measured
from bench.scenarios import Size
from bench.world import make_world, open_store

NUMBERS: Final = (1, 2, 4)
ALONE: Final = "alone"  # one node without Redis
SIZE: Final = Size(students=400, consoles=8, seconds=15.0)
_BEAT_S: Final = 1.0
_RATE: Final = 200.0
_SETTLE_S: Final = 4.0

Traffic = Callable[[Hall], Iterator[tuple[float, pace.Action]]]


@dataclass(frozen=True, slots=True)
class Load:
    """`traffic`: what students do; None for nothing. `watched`: whether consoles watch."""

    traffic: Traffic | None
    watched: bool = False


def _beats(hall: Hall) -> Iterator[tuple[float, pace.Action]]:
    return pace.in_turn(_BEAT_S, [student.beat for student in hall.students], clock())


def _changes(hall: Hall) -> Iterator[tuple[float, pace.Action]]:
    return pace.at_random(_RATE, [student.change_tab for student in hall.students], clock())


LOADS: Final = {
    "quiet": Load(None),
    "beats": Load(_beats),
    "events": Load(_changes),
    "watched": Load(_changes, watched=True),
}


async def measure(rounds: int, size: Size, screen: Screen) -> Measured:
    """Rounds of every load with every number of nodes."""
    runs = []
    for number in range(rounds):
        for nodes in (ALONE, *map(str, NUMBERS)):
            for name, load in LOADS.items():
                figures, errors = await _run(nodes, load, size)
                runs.append(Run(f"{nodes} {name}", size, figures, errors))
                said = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
                screen.print(f"{number + 1}. {nodes:6} {name:8} {said} {errors or ''}", highlight=False)
    return measured(runs)


async def _run(nodes: str, load: Load, size: Size) -> tuple[Figures, dict[str, int]]:
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_process())
        redis = None if nodes == ALONE else await stack.enter_async_context(_redis_process())
        url = f"mongodb://{database.host}:{database.port}/bench{uuid4().hex}"
        store = open_store(url)
        stack.push_async_callback(store.close)
        world = await make_world(store, size.students, size.consoles)
        more = {"REDIS_URL": f"redis://127.0.0.1:{redis.port}"} if redis else {}
        servers = [
            await stack.enter_async_context(server_process(PEERS["ours"], url, more))
            for _ in range(1 if nodes == ALONE else int(nodes))
        ]
        hall = Spread(world, servers, database)
        stack.callback(hall.leave)
        empty = [one.rss() for one in servers]
        await hall.enter(hall.students)
        if load.watched:
            await hall.enter(hall.consoles)
        await asyncio.sleep(_SETTLE_S)
        before = Used.now(servers, database, redis)
        memory = sum(one.rss() for one in servers) - sum(empty)
        traffic = pace.at_moments(load.traffic(hall)) if load.traffic else None
        figures = await _measured(hall, size, traffic, load)
        used = Used.now(servers, database, redis).since(before)
        return figures | used | {"bytesAConnection": memory / size.students}, dict(hall.books.errors)


async def _measured(hall: Hall, size: Size, traffic: Any, load: Load) -> Figures:
    if traffic is None:
        await asyncio.sleep(size.seconds)
        return {"seconds": size.seconds}
    begin = clock()
    sending = asyncio.create_task(traffic)
    await asyncio.sleep(size.seconds)
    sending.cancel()
    await asyncio.wait([sending])
    if load.watched:
        await hall.drain()
    else:
        consoles, hall.consoles = hall.consoles, []
        await hall.drain()
        hall.consoles = consoles
    figures = hall.books.figures(begin, begin + size.seconds, by_due=True)
    return {"seconds": clock() - begin, "done": len(hall.books.acks.done)} | {
        key: figures[key] for key in ("ackP50Ms", "ackP99Ms", "deliveryP99Ms") if key in figures
    }


class Spread(Hall):
    """A hall of several nodes: who comes, comes to the next one."""

    def __init__(self, world: Any, servers: list[Process], database: Process) -> None:
        super().__init__(world, servers[0], database)
        people: Iterable[Student | Console] = (*self.students, *self.consoles)
        self._servers = {one: servers[place % len(servers)] for place, one in enumerate(people)}

    async def let_in(self, client: Student | Console) -> bool:
        self.server = self._servers[client]
        return await super().let_in(client)


@dataclass(frozen=True, slots=True)
class Used:
    """What the processes have used so far: seconds of CPU, and bytes."""

    figures: Figures

    @classmethod
    def now(cls, servers: list[Process], database: Process, redis: Process | None) -> Used:
        sent, received, commands = _of_redis(redis) if redis else (0.0, 0.0, 0.0)
        return cls(
            {
                "serverCpuS": sum(one.cpu_s() for one in servers),
                "databaseCpuS": database.cpu_s(),
                "redisCpuS": redis.cpu_s() if redis else 0.0,
                "busSentBytes": sent,
                "busReceivedBytes": received,
                "busMessages": commands,
                "databaseWrittenBytes": _written(database),
            }
        )

    def since(self, before: Used) -> Figures:
        return {name: value - before.figures[name] for name, value in self.figures.items()}


def _written(process: Process) -> float:
    """What a process has written to files."""
    lines = Path(f"/proc/{process.pid}/io").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def _of_redis(redis: Process) -> tuple[float, float, float]:
    """Bytes that it sent and received, and how many messages were published."""
    with socket.create_connection((redis.host, redis.port), 5) as connection:
        connection.sendall(b"INFO everything\r\n")
        said = b""
        while b"cmdstat_publish" not in said and b"# Keyspace" not in said:
            said += connection.recv(65536)
    told = dict(line.partition(":")[::2] for line in said.decode().splitlines())
    published = told.get("cmdstat_publish", "calls=0").partition("calls=")[2].partition(",")[0]
    return float(told["total_net_output_bytes"]), float(told["total_net_input_bytes"]), float(published)


@contextlib.asynccontextmanager
async def _redis_process() -> AsyncIterator[Process]:
    if shutil.which("redis-server") is None:
        raise SystemExit("bench: redis-server is wanted")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with on_core(0):
            process = await spawn(command, Path(folder), {})
        try:
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
            yield Process(process.pid, "127.0.0.1", port)
        finally:
            process.kill()
            await process.wait()
