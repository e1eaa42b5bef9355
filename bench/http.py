"""One HTTP request by hand: a client library's would cost the generator more than it costs the server."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson

from bench.processes import Process


class _Request(asyncio.Protocol):
    """Sends one request; `status` is its answer's, 0 where none came."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        line = self._received.split(b" ", 2)
        if len(line) == 3 and not self.status.done():
            self.status.set_result(int(line[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.status.done():
            self.status.set_result(0)


async def post(server: Process, path: str, body: dict[str, Any]) -> int:
    """The status that a POST on a connection of its own is answered with; 0 for none."""
    payload = orjson.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    request = _Request(f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
    await asyncio.get_running_loop().create_connection(lambda: request, server.host, server.port)
    return await request.status
