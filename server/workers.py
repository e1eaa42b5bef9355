"""WORKERS: several nodes on one machine, as processes that listen on the same port; the kernel spreads connections.

This process serves nobody. It holds the embedded database, where there is one, starts the nodes, starts anew one that
died, and passes on the signal to end. A node that dies takes nothing with it that the others do not take over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

from server.embedded import EmbeddedDatabase, dies_with_parent
from server.settings import Settings, inherited

logger = logging.getLogger(__name__)

_END_S: Final = 40.0  # a node's own end takes at most 30
_AGAIN_S: Final = 1.0


async def serve_by_workers(settings: Settings, say: Callable[[str], None]) -> int:
    """Run WORKERS nodes until told to end; the exit status: of the first node that did not end well, else 0."""
    ending = asyncio.Event()
    signals: list[int] = []

    def end(number: int) -> None:
        signals.append(number)
        ending.set()
        for worker in workers:
            worker.tell(number)

    workers: list[_Worker] = []
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    async with contextlib.AsyncExitStack() as stack:
        environment = {"WORKERS": "1", "REUSE_PORT": "true"}
        if settings.database_url is None:
            database = EmbeddedDatabase(settings.data_dir)
            stack.push_async_callback(database.stop)
            await database.start()
            environment |= {"DATABASE_URL": database.url, "JWT_SECRET": settings.secret()}
        # Bound and not listened on: the port is ours, and 0 stands for the same one in every node.
        for name, port in (("PORT", settings.port), ("WS_PORT", settings.ws_port)):
            if port is not None:
                held = stack.enter_context(_bound(settings.host, port))
                environment[name] = str(held.getsockname()[1])
        for place in range(settings.workers):
            own = {"METRICS_PORT": str(settings.metrics_port_of(place))} if settings.metrics_port else {}
            workers.append(_Worker(place, inherited(environment | own), say))
        return max(await asyncio.gather(*(worker.run(ending) for worker in workers)))


class _Worker:
    """One node's process, made anew where it dies."""

    def __init__(self, place: int, environment: dict[str, str], say: Callable[[str], None]) -> None:
        self._place = place
        self._environment = environment
        self._say = say
        self._process: asyncio.subprocess.Process | None = None

    def tell(self, number: int) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def run(self, ending: asyncio.Event) -> int:
        """Its exit status once it has ended as it was told to."""
        while True:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", "serve"),
                env=self._environment,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # else Ctrl-C in a terminal would tell it twice
                preexec_fn=dies_with_parent(),
            )
            relaying = asyncio.create_task(self._relay(process))
            waiting = asyncio.create_task(process.wait())
            await asyncio.wait([waiting, asyncio.create_task(ending.wait())], return_when=asyncio.FIRST_COMPLETED)
            if ending.is_set():
                try:
                    return await asyncio.wait_for(waiting, _END_S)
                except TimeoutError:
                    process.kill()
                    return 1
                finally:
                    await relaying
            await relaying
            if process.returncode == 2:  # its settings are wrong, and it has said how
                os.kill(os.getpid(), signal.SIGTERM)
                return 2
            logger.error("worker %d ended with %s and is started again", self._place, process.returncode)
            await asyncio.sleep(_AGAIN_S)

    async def _relay(self, process: asyncio.subprocess.Process) -> None:
        while process.stdout and (line := await process.stdout.readline()):
            self._say(f"[{self._place}] {line.decode(errors='replace').rstrip()}")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((host, port))
    return held
