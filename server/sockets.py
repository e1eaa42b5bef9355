"""One Engine.IO connection: polling as the library does it, a WebSocket without a task, a timer or a queue a message.

Messages of one client are handled in their order by one task, which lives while there is something to handle. A pong
is taken at once, so a slow handler does not make its client look dead. What came before a client went is still
handled before its end is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

import engineio
from aiohttp import WSCloseCode, web
from engineio.exceptions import EngineIOError
from engineio.packet import MESSAGE, NOOP, PING, Packet
from engineio.payload import Payload

from handlers.buckets import Bucket
from handlers.handshakes import Place
from server.websocket import WebSocket, frame, taken_over

if TYPE_CHECKING:
    from server.engine import Engine

logger = logging.getLogger(__name__)

_LEAVE_S: Final = 10.0  # each event is answered within this
_A_TURN: Final = 16  # messages of one client that are handled in one turn of the loop, where none of them waits
_MOST_WAITING: Final = 32  # messages of one client that wait behind the one being handled
_BODY_S: Final = 30.0  # what is sent by polling is here within this


class Socket(engineio.async_socket.AsyncSocket):  # type: ignore[misc] # python-engineio ships no types
    """`last_ping`: by the loop's clock, when a ping was sent that has not been answered; None where none is out."""

    server: Engine
    connected: bool
    upgrading: bool
    queue: asyncio.Queue[Packet | None] | None
    last_ping: float | None

    def __init__(self, server: Engine, sid: str, place: Place) -> None:
        super().__init__(server, sid)
        self._place = place
        self._refusals = Bucket(server.bounds.refusals) if server.bounds.refusals else None
        self._loop = asyncio.get_running_loop()
        self._ws: WebSocket | None = None
        self._handling: asyncio.Task[None] | None = None
        self._waiting: list[str | bytes] = []
        self._ended: str | None = None  # the reason, once nothing more comes
        self._probed = False
        self._queued = 0  # characters that wait for a poll
        self._strikes = 0
        self._unused_since: float | None = self._loop.time()
        self.last_ping = None
        self._next_ping = self._loop.time() + server.ping_interval

    @property
    def open(self) -> bool:
        """Whether the client is still there, as far as anybody knows."""
        return not (self.closed or self.closing or self._ended)

    @property
    def queued(self) -> int:
        """How many bytes wait for the client."""
        return self._ws.queued if self._ws is not None else self._queued

    # Out

    def push(self, message: str | bytes, framed: bytes | None = None) -> None:
        """Send a message. `framed`: the same, made once for many by `frame_of`."""
        if self._ws is not None and not self.upgrading:
            self._ws.write(framed or frame_of(message))
        elif not self.closed:
            self._enqueue(Packet(MESSAGE, message))

    async def send(self, pkt: Packet) -> None:
        if self._ws is not None and not self.upgrading:
            self._ws.write(frame(pkt.encode()))
        elif not self.closed:
            self._enqueue(pkt)

    def _enqueue(self, pkt: Packet) -> None:
        if self.queue is not None:
            self.queue.put_nowait(pkt)
        self._queued += len(pkt.data or "")
        if self._queued > self.server.bounds.slow_reader_bytes and self.open:
            self.slow("bytes", f"{self._queued} characters wait for its poll")
            self._end(self.server.reason.TRANSPORT_ERROR)

    def slow(self, reason: str, why: str) -> None:
        """The client does not read, and is cut off for it. `reason`: `bytes` or `time`."""
        self.server.measures.refused("slow_readers")
        self.server.measures.cut(reason)
        logger.warning("a client that reads too slowly is cut off: %s", why, extra={"connectionId": self.sid})

    async def poll(self) -> list[Packet]:
        packets: list[Packet] = await super().poll()
        self._queued = 0
        return packets

    # In

    def received(self, message: str | bytes) -> None:
        """The WebSocket's client sent this. A pong that nobody asked for is what is no packet."""
        if not self.open:
            return
        if isinstance(message, bytes):
            self._in_order(message)
        elif self.upgrading:
            self._upgrade(message)
        elif message.startswith("4"):
            self._in_order(message[1:])
        elif message == "3" and self.last_ping is not None:
            self.schedule_ping()
        elif message == "1":
            self._end(self.server.reason.CLIENT_DISCONNECT)
        else:
            self._strike()

    def lost(self) -> None:
        """The WebSocket is gone."""
        if self.upgrading:  # polling goes on
            self.upgrading, self._ws = False, None
        else:
            self._end(self.server.reason.TRANSPORT_CLOSE)

    def _in_order(self, message: str | bytes) -> None:
        if self._handling is None:
            self._handling = self._loop.create_task(self._handle(message))
            return
        self._waiting.append(message)
        if len(self._waiting) == _MOST_WAITING and self._ws:
            self._ws.pause()

    async def _handle(self, message: str | bytes) -> None:
        handled = 0
        while True:
            await self.server.handlers["message"](self.sid, message)
            handled += 1
            if not handled % _A_TURN:  # nothing that is refused waits for anything, and a flood would be one long turn
                await asyncio.sleep(0)
            if self.closed or not self._waiting:
                break
            message = self._waiting.pop(0)
            if len(self._waiting) == _MOST_WAITING // 2 and self._ws:
                self._ws.resume()
        self._handling = None
        if self._ended:
            await self.close(abort=True, reason=self._ended)

    def _end(self, reason: str) -> None:
        """Close from the client's side, after what it sent has been handled."""
        if self.open:
            self._ended = reason
            if self._handling is None:
                self._handling = self._loop.create_task(self.close(abort=True, reason=reason))

    def _strike(self) -> None:
        self._strikes += 1
        self.server.measures.refused("malformed_packets")
        if self._strikes == self.server.bounds.malformed_packets:
            logger.info("a client that sends what is no packet is closed", extra={"connectionId": self.sid})
            self._end(self.server.reason.TRANSPORT_ERROR)
            if self._ws is not None:
                self._ws.abort()

    def authenticated(self) -> None:
        """The client was let into a namespace."""
        self._place.authenticated()

    def refuse(self) -> None:
        """Something of the client was refused that no namespace counts: a namespace, or an event of none."""
        if self._refusals is not None and self._refusals.take(self._loop.time()) and self.open:
            self.server.measures.refused("refusals_per_user")
            logger.info("a client that goes on with what is refused is closed")
            self._end(self.server.reason.TRANSPORT_ERROR)

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Close it: tell the namespaces, then the client. Nobody waits for the client to read it."""
        self._place.leave()
        await super().close(wait=False, abort=abort, reason=reason)
        if self._ws is not None:
            self._ws.close()
        elif self.queue is not None:  # ends a poll that waits
            self.queue.put_nowait(Packet(NOOP) if abort else None)
        if self._ws is not None or abort:  # else one poll more fetches the closing
            self.server.sockets.pop(self.sid, None)

    async def leave(self) -> None:
        """Close it, once what it sent so far is answered; nothing more is taken."""
        if self._ws is not None:
            self._ws.pause()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                while self._handling is not None and not self._handling.done():  # done: it was the closing
                    await asyncio.wait([self._handling])
        await self.close()

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """A client that polls sent something. What cannot be read is refused, and ends its connection.

        The library would answer that all is well, and log a traceback.
        """
        try:
            length = int(environ["CONTENT_LENGTH"])
            if length > self.server.max_http_buffer_size:
                raise ValueError("too long")
            async with asyncio.timeout(_BODY_S):
                body: bytes = await environ["wsgi.input"].read(length)
            packets = Payload(encoded_payload=body.decode()).packets
        except (ValueError, LookupError, RecursionError, TimeoutError, web.RequestPayloadError) as error:
            self.server.measures.refused("malformed_packets")
            logger.info("what a client that polls sent cannot be read: %s", type(error).__name__)
            if not self.open:
                return
            raise EngineIOError("This cannot be read.") from error
        for pkt in packets:
            if pkt.packet_type > NOOP:
                raise EngineIOError("There is no packet of this type.")
            await self.receive(pkt)

    async def receive(self, pkt: Packet) -> None:
        """A client that polls sent this; what comes behind the end of its connection is left."""
        if self.open:
            await super().receive(pkt)

    # Time: the library starts a task for each ping; here the engine's one sweep calls `check`

    def schedule_ping(self) -> None:
        self.last_ping = None
        self._next_ping = self._loop.time() + self.server.ping_interval

    def check(self, now: float) -> None:
        """What time asks for. `now`: the loop's clock, in seconds. Called about once a second."""
        if self._ws is not None:
            self._ws.check(now)
        if not self.open:
            return
        if self.server.in_use(self.sid):
            self._unused_since = None
        elif self._unused_since is None:
            self._unused_since = now
        if self._unused_since is not None and now - self._unused_since > self.server.bounds.authenticate_within_s:
            self.server.measures.refused("authenticate_within_s")
            self._hang_up(self.server.reason.SERVER_DISCONNECT)
        elif self.last_ping is not None and now - self.last_ping > self.server.ping_timeout:
            self._hang_up(self.server.reason.PING_TIMEOUT)
        elif self.last_ping is None and now >= self._next_ping:
            self.last_ping = now
            if self._ws is not None and not self.upgrading:
                self._ws.write(_PING)
            elif not self.closed:
                self._enqueue(Packet(PING))

    def _hang_up(self, reason: str) -> None:
        self._end(reason)
        if self._ws is not None:
            self._ws.close()

    # Changing to a WebSocket

    async def _upgrade_websocket(self, environ: dict[str, Any]) -> web.StreamResponse:
        """Called by the library for a handshake, of a new client or of one that polls."""
        if self._ws is not None:
            raise OSError("this connection has a WebSocket already")
        self.upgrading = self.connected  # a client that polled probes first
        try:
            self._ws = WebSocket.accept(
                environ["aiohttp.request"], self, self.server.max_http_buffer_size + 1, self.server.bounds
            )
        except web.HTTPBadRequest:
            self.upgrading = False
            raise
        if not self.connected:
            self.connected = True
            self._change()
        return taken_over()

    def _upgrade(self, message: str) -> None:
        if message == "2probe" and not self._probed and self._ws:
            self._probed = True
            self._ws.write(frame("3probe"))
            self._enqueue(Packet(NOOP))  # ends the poll that waits
        elif message == "5" and self._probed:
            self._change()
        elif self._ws:
            self._ws.close(WSCloseCode.PROTOCOL_ERROR)

    def _change(self) -> None:
        """Use the WebSocket from here on, beginning with what waited for a poll."""
        self.upgrading, self.upgraded = False, True
        while self._ws and self.queue and not self.queue.empty():
            pkt = self.queue.get_nowait()
            if pkt is not None and pkt.packet_type != NOOP:
                self._ws.write(frame(pkt.encode()))
        self.queue = None  # two kilobytes that nothing uses any more


_PING: Final = frame(str(PING))


def frame_of(message: str | bytes) -> bytes:
    """An Engine.IO message as a WebSocket's frame."""
    return frame(message if isinstance(message, bytes) else f"{MESSAGE}{message}")
