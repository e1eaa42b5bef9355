"""One Socket.IO connection by hand: no library, no task and no timer a message.

So that one core of it outruns every server that it measures.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from bench import frames
from bench.books import Books

_ANSWER_S = 60.0

clock = time.perf_counter


class Refused(Exception):
    """The server answered with an error, or closed the connection."""


class Client(asyncio.Protocol):
    """A connection to one namespace. Acks of `send` go to `acked`, pushes to `pushed`."""

    def __init__(self, books: Books, namespace: str, auth: dict[str, Any]) -> None:
        self.books = books
        self._connect = frames.connect(namespace, auth)
        where = namespace.encode()
        self._event, self._ack, self._push = b"42" + where + b",%d%s", b"43" + where + b",", b"42" + where + b","
        self._connected_as = b"40" + where + b","
        self._skip = len(self._ack)
        self._transport: Any = None  # uvloop's transports share no class with asyncio's
        self._begin()

    def _begin(self) -> None:
        self._upgraded = False
        self._rest = b""
        self._number = 0
        self._pending: dict[int, float | asyncio.Future[bytes]] = {}
        self._leaving = False
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self, host: str, port: int) -> None:
        """Connect the transport and the namespace; again, after `leave`.

        Refused, OSError or TimeoutError where that fails.
        """
        if self._transport:
            await self._lost
            self._begin()
        async with asyncio.timeout(_ANSWER_S):
            await asyncio.get_running_loop().create_connection(lambda: self, host, port)
            await self._connected

    def send(self, event: bytes, due: float) -> None:
        """Send an event (of `frames.event`) that was due at `due`; where the connection has gone, that is an error."""
        if self._leaving:
            self.books.errors["not sent: the connection has gone"] += 1
            return
        self._number = number = self._number + 1
        self._pending[number] = due
        self._transport.write(frames.frame(self._event % (number, event)))

    async def call(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The data of its ack; Refused for an error."""
        self._number += 1
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[self._number] = answer
        self._transport.write(frames.frame(self._event % (self._number, frames.event(name, payload))))
        (ack,) = json.loads(await asyncio.wait_for(answer, _ANSWER_S))
        if not ack["ok"]:
            raise Refused(f"{name}: {ack['error']}")
        data: dict[str, Any] = ack["data"]
        return data

    @property
    def waiting(self) -> int:
        """How many acks it waits for."""
        return len(self._pending)

    def leave(self) -> None:
        """Close the connection."""
        self._leaving = True
        if self._transport and not self._transport.is_closing():
            self._transport.write(frames.LEAVE)
            self._transport.close()

    def acked(self, due: float, now: float) -> None:
        """The ack of a `send` came, and says ok."""
        self.books.acks.due.append(due)
        self.books.acks.done.append(now)

    def pushed(self, event: bytes) -> None:
        """The server pushed an event: the JSON of its name and payload."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(frames.UPGRADE)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at = 0
        if not self._upgraded:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._rest = data
                return
            if not data.startswith(b"HTTP/1.1 101 "):
                self._fail(data[: data.find(b"\r\n")].decode("latin-1"))
                return
            self._upgraded = True
        while (found := frames.next_frame(data, at)) is not None:
            first, payload, at = found
            if first == frames.TEXT:
                self._message(payload)
            elif first == frames.PING:
                raise ValueError("a WebSocket's own ping, which no server here sends")
            elif first == frames.CLOSE:
                self._fail("closed by the server")
                return
            else:
                raise ValueError(f"a frame of an unknown kind, {first:#x}")
        self._rest = data[at:] if at < len(data) else b""

    def _message(self, payload: bytes) -> None:
        if payload.startswith(self._ack):
            self._on_ack(payload)
        elif payload.startswith(self._push):
            self.pushed(payload[self._skip :])
        elif payload == b"2":
            self._transport.write(frames.PONG)
        elif payload.startswith(b"0{"):
            self._transport.write(self._connect)
        elif payload.startswith(self._connected_as):
            self._connected.set_result(None)
        elif payload != b"6":
            self._fail(payload[:200].decode())

    def _on_ack(self, payload: bytes) -> None:
        start = payload.index(b"[", self._skip)
        waiting = self._pending.pop(int(payload[self._skip : start]), None)
        if isinstance(waiting, float):
            if payload.startswith(b'[{"ok":true', start):
                self.acked(waiting, clock())
            else:
                self.books.errors[payload[start : start + 120].decode()] += 1
        elif waiting is None:
            self.books.errors["an ack that nothing waits for"] += 1
        elif not waiting.done():
            waiting.set_result(payload[start:])

    def connection_lost(self, error: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)
        if not self._leaving:
            self._fail(f"connection lost: {error}")

    def _fail(self, reason: str) -> None:
        if not self._leaving:
            self._leaving = True
            self.books.errors[reason] += 1
        for waiting in (self._connected, *self._pending.values()):
            if isinstance(waiting, asyncio.Future) and not waiting.done():
                waiting.set_exception(Refused(reason))
        self._transport.close()
