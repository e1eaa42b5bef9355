"""Bytes that a Socket.IO client sends over a WebSocket.

A client's frames have to be masked. A mask of four zero bytes is valid and leaves the payload as it is.
"""

from __future__ import annotations

import json
from typing import Any, Final

TEXT: Final = 0x81  # one frame, whole, of text
CLOSE: Final = 0x88
PING: Final = 0x89
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)
# The head of each frame shorter than 126 bytes.
_SHORT: Final = [bytes([TEXT, _MASKED | length]) + _NO_MASK for length in range(126)]

UPGRADE: Final = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: cHJvY3RvcmluZy1iZW5jaA==\r\n"
    b"\r\n"
)


def frame(payload: bytes) -> bytes:
    """One text frame, of less than 64 KiB."""
    if len(payload) < 126:
        return _SHORT[len(payload)] + payload
    return bytes([TEXT, _MASKED | 126]) + len(payload).to_bytes(2, "big") + _NO_MASK + payload


PONG: Final = frame(b"3")  # Engine.IO's answer to its ping
LEAVE: Final = bytes([CLOSE, _MASKED]) + _NO_MASK


def connect(namespace: str, auth: dict[str, Any]) -> bytes:
    """The frame that connects a namespace."""
    return frame(f"40{namespace},{_json(auth)}".encode())


def event(name: str, payload: dict[str, Any]) -> bytes:
    """An event as it goes after the number of its ack."""
    return _json([name, payload]).encode()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def next_frame(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """The server's frame at `at`: its first byte, its payload, where the next one begins; None where it is not whole.

    ValueError for a masked frame, which a server must not send.
    """
    if len(data) - at < 2:
        return None
    length, start = data[at + 1], at + 2
    if length >= 126:
        if length > 127:
            raise ValueError("a masked frame from the server")
        wide = 2 if length == 126 else 8
        if len(data) - start < wide:
            return None
        length = int.from_bytes(data[start : start + wide], "big")
        start += wide
    end = start + length
    return (data[at], data[start:end], end) if end <= len(data) else None
