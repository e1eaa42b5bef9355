"""A server of the rehearsal's own, to be killed in the middle: nobody else's is touched."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from server.settings import SettingsError, environment_of

_START_S: Final = 60.0


class OwnServer:
    """`serve --demo` on a folder of its own; from its second start on, on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self.restarts = 0

    async def start(self) -> None:
        """Returns once it listens."""
        environment = environment_of({"PORT": str(self._port), "PBKDF2_ITERATIONS": "1", "LOG_LEVEL": "ERROR"})
        command = (sys.executable, "-m", "server", "serve", "--demo")
        self._process = await asyncio.create_subprocess_exec(
            *command, cwd=self._folder, env=environment, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(_START_S):
            while line := await self._process.stdout.readline() if self._process.stdout else b"":
                if line.startswith(b"Listening on "):
                    self._port = int(line.split()[2].rstrip(b",").rpartition(b":")[2])
                if line.startswith(b"Demo organisation"):
                    return
        raise SettingsError("--chaos: the server of the rehearsal does not start")

    async def kill_and_start(self) -> None:
        """SIGKILL, and its database with it; then a new one."""
        await self.stop(signal.SIGKILL)
        self.restarts += 1
        await self.start()

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.communicate()

    def demo(self) -> dict[str, Any]:
        """Its accounts and where it listens."""
        demo: dict[str, Any] = json.loads((self._folder / "data" / "demo.json").read_text(encoding="utf-8"))
        return demo


@contextlib.asynccontextmanager
async def own_server() -> AsyncIterator[OwnServer]:
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        server = OwnServer(Path(folder))
        try:
            await server.start()
            yield server
        finally:
            await server.stop()
