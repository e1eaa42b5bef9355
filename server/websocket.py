"""A WebSocket on an asyncio transport: frames in, frames out, and nothing a message in between.

aiohttp does the HTTP and then lets go: from the handshake on, the connection is this protocol's alone. aiohttp's own
parser, which is compiled, reads the frames and hands each message over at once; what is sent is written to the
transport at once. No task, timer or queue is kept for a connection, and nothing of its request: that is a half of the
memory and most of the time that a message cost.

A client that does not read is cut off by how much waits for it and for how long, and as long as anything waits it is
not read either: so it cannot ask for more than it takes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import struct
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http_websocket import WebSocketError, WebSocketReader

from server.bounds import Bounds

logger = logging.getLogger(__name__)

_MOST_IDLE: Final = 100  # messages that carry nothing, from one look to the next
_HIGH_WATER: Final = 64 * 1024
_CLOSE_S: Final = 5.0
_ACCEPT_KEY: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TEXT: Final = 0x80 | WSMsgType.TEXT
_BINARY: Final = 0x80 | WSMsgType.BINARY
_CLOSE: Final = 0x80 | WSMsgType.CLOSE
_PONG: Final = 0x80 | WSMsgType.PONG


def frame(message: str | bytes) -> bytes:
    """One whole message as a server sends it; the same bytes serve every client."""
    return _frame(_BINARY, message) if isinstance(message, bytes) else _frame(_TEXT, message.encode())


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", first, 126, length) + payload
    return struct.pack("!BBQ", first, 127, length) + payload


class Owner(Protocol):
    """Who is told what comes in. None of these may raise."""

    def received(self, message: str | bytes) -> None:
        """A message came."""

    def lost(self) -> None:
        """The connection is gone, or going: nothing more comes and nothing more can be sent. Called once."""

    def slow(self, reason: str, why: str) -> None:
        """The client does not read, and is cut off: too many `bytes` wait for it, or for too long a `time`."""


class WebSocket(asyncio.Protocol):
    """One connection. Made by `accept`."""

    __slots__ = ("_bounds", "_closing", "_idle", "_loop", "_owner", "_reader", "_stalled_since", "_transport")

    def __init__(self, owner: Owner, transport: asyncio.Transport, max_size: int, bounds: Bounds) -> None:
        self._owner: Owner | None = owner
        self._transport = transport
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._reader = WebSocketReader(_Messages(self), max_size, compress=False, decode_text=True)
        self._stalled_since: float | None = None
        self._idle = 0
        self._closing: asyncio.TimerHandle | None = None

    @classmethod
    def accept(cls, request: web.Request, owner: Owner, max_size: int, bounds: Bounds) -> WebSocket:
        """Answer the handshake and take the connection from aiohttp; answer the request with `taken_over()` then.

        `max_size`: of a message, in bytes. web.HTTPBadRequest where it is no handshake.
        """
        accepted = _accepted(request)
        handler, transport = request.protocol, request.transport
        if transport is None:
            raise web.HTTPBadRequest(text="The client has gone.")
        self = cls(owner, transport, max_size, bounds)
        early = _Early()
        handler.set_parser(early)  # type: ignore[arg-type] # it is handed what came behind the request
        transport.set_protocol(self)
        handler.transport = None  # else the next line would close it
        handler.connection_lost(None)
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
        )
        if early.data:
            self._loop.call_soon(self.data_received, early.data)
        return self

    @property
    def open(self) -> bool:
        """Whether messages still come and go."""
        return self._owner is not None

    @property
    def queued(self) -> int:
        """How many bytes wait for the client; 0 where the connection is gone."""
        return 0 if self._owner is None else self._transport.get_write_buffer_size()

    def write(self, framed: bytes) -> None:
        """Send what `frame` made; nothing where the connection is gone. Cuts a client off for whom too much waits."""
        if self._owner is not None:
            self._transport.write(framed)
            if self._stalled_since is not None:
                waiting = self._transport.get_write_buffer_size()
                if waiting > self._bounds.slow_reader_bytes:
                    self._cut_off("bytes", f"{waiting} bytes wait for it")

    def pause(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on, unless the client has to read first."""
        if self._stalled_since is None and self._owner is not None:
            self._transport.resume_reading()

    def close(self, code: int = WSCloseCode.OK) -> None:
        """Close it once what waits is sent and the client has answered, or after `_CLOSE_S`; nothing more comes in.

        The answer is waited for since a connection closed with something unread is reset, and takes with it what the
        client has not read yet: why it is closed.
        """
        if self._owner is not None:
            self.write(_frame(_CLOSE, struct.pack("!H", code)))
            self._closing = self._loop.call_later(_CLOSE_S, self._transport.abort)
            self._let_go()
            self._transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection and all that waits."""
        self._transport.abort()
        self._let_go()

    def check(self, now: float) -> None:
        """Cut off a client that has not read for too long. Called once a second; `now`: the loop's clock."""
        self._idle = 0
        if self._stalled_since is not None and now - self._stalled_since > self._bounds.slow_reader_s:
            self._cut_off("time", f"it has not kept up for {self._bounds.slow_reader_s:.0f} s")

    def _cut_off(self, reason: str, why: str) -> None:
        if self._owner is not None:
            self._owner.slow(reason, why)
        self.abort()

    def _let_go(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.lost()

    # What asyncio and the parser call

    def data_received(self, data: bytes) -> None:
        self._reader.feed_data(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._closing is not None:
            self._closing.cancel()
        self._let_go()

    def pause_writing(self) -> None:
        self._stalled_since = self._loop.time()
        if self._owner is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._stalled_since = None
        self.resume()

    def _message(self, kind: int, data: Any) -> None:
        if self._owner is not None and kind in (WSMsgType.TEXT, WSMsgType.BINARY):
            self._owner.received(data)
            return
        self._idle += 1
        if self._idle > _MOST_IDLE:  # pings, pongs, and what comes after the end: a megabyte of them is a second's work
            self.abort()
            raise ConnectionAbortedError("cut off")  # the parser leaves the rest of what was read
        if self._owner is None:
            if kind == WSMsgType.CLOSE:
                self._transport.close()
        elif kind == WSMsgType.PING:
            self.write(_frame(_PONG, data))
        elif kind == WSMsgType.CLOSE:
            self.close()
            self._transport.close()

    def _broken(self, error: BaseException) -> None:
        self.close(error.code if isinstance(error, WebSocketError) else WSCloseCode.PROTOCOL_ERROR)


class _Messages(WebSocketDataQueue):
    """What the parser takes for its queue: it passes every message straight on. The parser swallows what is raised."""

    __slots__ = ("_broken", "_message")

    def __init__(self, socket: WebSocket) -> None:  # the queue's own is left out, for it would make a buffer
        self._message: Callable[[int, Any], None] = socket._message
        self._broken = socket._broken

    def feed_data(self, data: Any, size: int) -> None:
        try:
            self._message(data[0], data[1])
        except ConnectionAbortedError:
            raise
        except Exception as error:
            logger.exception("a message could not be taken")
            self._broken(error)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        self._broken(exc)


class _Early:
    """Keeps what came behind the handshake, before anybody reads frames."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


class _TakenOver(web.StreamResponse):
    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to send."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to end."""


def taken_over() -> web.StreamResponse:
    """What aiohttp is answered for a request whose connection is no longer its own."""
    return _TakenOver(status=101)


def _accepted(request: web.Request) -> bytes:
    """The handshake's answer to the client's key."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    upgrade = request.headers.get("Upgrade", "").strip().lower() == "websocket"
    if not valid or not upgrade or request.headers.get("Sec-WebSocket-Version") != "13":
        raise web.HTTPBadRequest(text="A WebSocket handshake of version 13 is wanted.")
    return base64.b64encode(_digest(key.encode() + _ACCEPT_KEY))


def _digest(value: bytes) -> bytes:
    return hashlib.sha1(value, usedforsecurity=False).digest()  # RFC 6455 says SHA-1, and means no secret by it
