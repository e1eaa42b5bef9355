"""A network between browser and server that can be cut: nothing passes, and nobody is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Network:
    """`url` leads to the server while the network is whole."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._whole = asyncio.Event()
        self._whole.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        """Pass on again; what was open when it was cut is dead, as it is after minutes of a real one."""
        for writer in self._writers:
            writer.transport.abort()
        self._whole.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ways = [(reader, there_writer), (there_reader, writer)]
            self._writers |= {writer, there_writer}
            with contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as tasks:
                    for source, sink in ways:
                        tasks.create_task(self._pass(source, sink))
            self._writers -= {writer, there_writer}
            there_writer.close()
        writer.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._whole.wait()
            sink.write(data)
            await sink.drain()
        sink.close()


@contextlib.asynccontextmanager
async def network_to(url: str) -> AsyncIterator[Network]:
    network = Network(int(url.rpartition(":")[2]))
    listener = await asyncio.start_server(network.carry, "127.0.0.1", 0)
    network.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield network
        network.mend()
        listener.close()
