"""A database whose primary fails: MongoDB's wire protocol is passed on to a real one, and some answers are made up.

What a replica set answers while its primary changes cannot be provoked on the embedded database. Here a command is
refused before it reaches the database, or carried out and then answered with an error: the two things that happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import bson

OP_MSG = 2013
HEADER = struct.Struct("<iiii")


@dataclass
class Failure:
    """What commands are answered. `carried_out`: by the database, before that; `error` None cuts the connection."""

    error: dict[str, Any] | None
    carried_out: bool


@dataclass
class Primary:
    """What the next commands of these names, on this collection, meet; the last failure goes on with `for_good`."""

    commands: tuple[str, ...] = ("insert",)
    collection: str | None = None
    failures: list[Failure] = field(default_factory=list)
    for_good: bool = False
    met: list[str] = field(default_factory=list)
    concerns: list[dict[str, Any]] = field(default_factory=list)  # of all commands of these names

    def meet(self, message: bytes) -> Failure | None:
        """The failure that a client's message is due."""
        if HEADER.unpack_from(message)[3] != OP_MSG:
            return None
        document = bson.decode(message[21 : 21 + struct.unpack_from("<i", message, 21)[0]])
        name = next(iter(document))
        if name not in self.commands or self.collection not in (None, document[name]):
            return None
        self.concerns.append({key: document[key] for key in ("writeConcern", "readConcern") if key in document})
        if not self.failures:
            return None
        self.met.append(name)
        return self.failures[0] if self.for_good and len(self.failures) == 1 else self.failures.pop(0)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack("<i", head)[0] - 4)


def _answer(number: int, error: dict[str, Any]) -> bytes:
    body = struct.pack("<i", 0) + b"\0" + bson.encode(error)
    return HEADER.pack(HEADER.size + len(body), 1, number, OP_MSG) + body


class _Proxy:
    """Passes on what clients and the database at `url` say to each other."""

    def __init__(self, url: str, primary: Primary) -> None:
        self._primary = primary
        host, _, self._path = url.removeprefix("mongodb://").partition("/")
        self._host, _, self._port = host.partition(":")
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        # A real primary tells at once when it is one again; this one is asked every half second.
        return f"mongodb://127.0.0.1:{port}/{self._path}?heartbeatFrequencyMS=500"

    async def close(self) -> None:
        self._server.close()
        while self._tasks:
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.wait(self._tasks)

    def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(client, to_client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        database, to_database = await asyncio.open_connection(self._host, int(self._port))
        writers = {to_client, to_database}
        self._writers |= writers
        due: dict[int, Failure] = {}  # by the message's number: of what the database carries out

        async def ask() -> None:
            while True:
                message = await _message(client)
                failure, number = self._primary.meet(message), HEADER.unpack_from(message)[1]
                if failure and failure.carried_out:
                    due[number] = failure
                if not failure or failure.carried_out:
                    to_database.write(message)
                elif failure.error is None:
                    return
                else:
                    to_client.write(_answer(number, failure.error))

        async def answer() -> None:
            while True:
                message = await _message(database)
                number = HEADER.unpack_from(message)[2]
                if failure := due.pop(number, None):
                    if failure.error is None:
                        return
                    message = _answer(number, failure.error)
                to_client.write(message)

        pumps = [asyncio.create_task(ask()), asyncio.create_task(answer())]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for writer in writers:
            writer.close()
        self._writers -= writers


@contextlib.asynccontextmanager
async def failing(url: str) -> AsyncIterator[tuple[str, Primary]]:
    """Within this block: the URL by which the database at `url` is reached, and what decides about its answers.

    In a loop of its own, as a client that is closed asks once more and holds up the loop that it is in.
    """
    primary, loop = Primary(), asyncio.new_event_loop()
    proxy, thread = _Proxy(url, primary), threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(proxy.open(), loop)), primary
    finally:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(proxy.close(), loop))
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join)
        loop.close()
