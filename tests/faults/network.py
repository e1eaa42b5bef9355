"""A network between a node and its database that delays, throttles, hangs and cuts, also in the middle of one write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, Literal

_CHUNK: Final = 65536
_INSERT: Final = b"\x02insert\x00\x09\x00\x00\x00activity\x00"  # how a command begins that writes to the log

Way = Literal["request", "answer"]


@dataclass(slots=True)
class Cut:
    """Cut the connection of the next write to the log once this part of its request, or of its answer, has passed."""

    way: Way
    part: float
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Network:
    """Listens on `port` and passes on to `target`. Set `delay_s` (each way) and `bytes_a_second` at any time."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.delay_s = 0.0
        self.bytes_a_second = 0.0
        self.next_cut: Cut | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._links: set[_Link] = set()

    def hang(self) -> None:
        """Let nothing through, and tell nobody."""
        self._flowing.clear()

    def cut(self) -> None:
        """End what is open, and refuse what is new."""
        self._refusing = True
        for link in list(self._links):
            link.abort()

    def mend(self) -> None:
        self._refusing = False
        self._flowing.set()

    async def cut_next_write(self, way: Way, part: float) -> None:
        """Returns once it is done."""
        cut = self.next_cut = Cut(way, part)
        await cut.done.wait()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", self._target)
            link = _Link(self, writer, there[1])
            self._links.add(link)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(link.requests(reader))
                    tasks.create_task(link.answers(there[0]))
            except* OSError:  # it was cut, or an end has gone
                pass
            self._links.discard(link)
            link.abort()
        writer.transport.abort()

    async def passing(self, size: int) -> None:
        """Returns when so many bytes have come through."""
        seconds = self.delay_s + (size / self.bytes_a_second if self.bytes_a_second else 0)
        if seconds:
            await asyncio.sleep(seconds)
        await self._flowing.wait()


class _Link:
    """One connection through the network."""

    def __init__(self, network: Network, here: asyncio.StreamWriter, there: asyncio.StreamWriter) -> None:
        self._network, self._here, self._there = network, here, there
        self._cut: Cut | None = None
        self._left: int | None = None  # bytes until this connection is cut

    def abort(self) -> None:
        self._here.transport.abort()
        self._there.transport.abort()

    async def requests(self, source: asyncio.StreamReader) -> None:
        while data := await source.read(_CHUNK):
            if self._network.next_cut and _INSERT in data[:200]:
                self._cut, self._network.next_cut = self._network.next_cut, None
                if self._cut.way == "request":
                    self._begin(data)
            await self._pass(data, self._there)
        self.abort()

    async def answers(self, source: asyncio.StreamReader) -> None:
        while data := await source.read(_CHUNK):
            if self._cut and self._cut.way == "answer" and self._left is None:
                self._begin(data)
            await self._pass(data, self._here)
        self.abort()

    def _begin(self, data: bytes) -> None:
        """A message begins with its length. One that is to pass whole is followed by the end at once."""
        assert self._cut
        self._left = round(int.from_bytes(data[:4], "little") * self._cut.part)

    async def _pass(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        await self._network.passing(len(data))
        if self._left is None:
            sink.write(data)
            await sink.drain()
            return
        assert self._cut
        sink.write(data[: self._left])
        await sink.drain()
        self._left -= min(self._left, len(data))
        if self._left == 0:
            self._cut.done.set()
            sink.close()  # which sends what is written before
            await sink.wait_closed()
            self.abort()


@contextlib.asynccontextmanager
async def network_to(target: int) -> AsyncIterator[Network]:
    """A network within this block, as it should be until it is told otherwise."""
    network = Network(target)
    listener = await asyncio.start_server(network.carry, "127.0.0.1", 0)
    network.port = int(listener.sockets[0].getsockname()[1])
    async with listener:
        yield network
        network.mend()
        network.cut()
        listener.close()
