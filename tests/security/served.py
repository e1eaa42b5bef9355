"""A server process to be attacked, with its embedded database, set up as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final
from uuid import uuid4

from bench.processes import SECRET, Process, database_process, listening, on_core, spawn
from bench.world import open_store
from tests.security.attack import Target
from tests.security.world import make_world

_COMMAND: Final = (sys.executable, "-m", "server", "serve")


@dataclass
class Served:
    """`failures`: what the server has logged as its own fault since it was asked last."""

    target: Target
    process: asyncio.subprocess.Process
    log: Path
    read: int = 0

    def failures(self) -> list[str]:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        new, self.read = text[self.read :].splitlines(), len(text)
        return [before[:300] for before, line in pairwise(new) if line.startswith("Traceback")]

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    @property
    def megabytes(self) -> int:
        """The memory that the server holds."""
        return Process(self.process.pid, "", 0).rss() // 1024**2 if self.alive else 0


@contextlib.asynccontextmanager
async def served(*, honest: int, insiders: int, crowd: int) -> AsyncIterator[Served]:
    """A world and its server within this block. Server and database have one core, who attacks them the other."""
    async with database_process() as database:
        url = f"mongodb://{database.host}:{database.port}/attacked{uuid4().hex}"
        store = open_store(url)
        try:
            world = await make_world(store, honest=honest, insiders=insiders, crowd=crowd)
        finally:
            await store.close()
        with tempfile.TemporaryDirectory(prefix="attack-") as folder:
            with on_core(0):
                process = await spawn(_COMMAND, Path(folder), {"PORT": "0", "JWT_SECRET": SECRET, "DATABASE_URL": url})
            try:
                host, port = await listening(process, Path(folder))
                at = f"http://{host}:{port}"
                yield Served(Target(at, at, world), process, Path(folder) / "log")
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
