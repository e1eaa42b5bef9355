"""The least that a server can do: acks whatever it is sent. What the generator reaches with it is its own limit."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop

_SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
_HEAD = 6  # of a masked frame shorter than 126 bytes
_ACK = b'43/exam,%s[{"ok":true,"data":{}}]'


class Echo(asyncio.Protocol):
    """Reads what the generator sends: frames that are whole, short and masked with zeros, but for the first ones."""

    def __init__(self) -> None:
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data[:3] == b"GET":
            self.transport.write(_SWITCH + _frame(b'0{"sid":"echo"}'))
        elif b"40/exam," in data[:16]:
            self.transport.write(_frame(b'40/exam,{"sid":"echo"}'))
        elif data[_HEAD : _HEAD + 8] == b"42/exam,":
            self.transport.write(_frame(_ACK % data[_HEAD + 8 : data.index(b"[", _HEAD + 8)]))


def _frame(payload: bytes) -> bytes:
    return bytes((0x81, len(payload))) + payload


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", int(os.environ["PORT"]), backlog=2048)
    host, port = server.sockets[0].getsockname()
    print(f"Listening on http://{host}:{port}", flush=True)  # noqa: T201 who started it waits for this line
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
