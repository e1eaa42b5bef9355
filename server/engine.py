"""python-socketio and aiohttp, set up for a server that answers every event, and fast.

python-socketio implements the protocol. What is changed here is what it does with frames that no conforming client
sends, and what a message, a connection and a room cost; each change sits at a method of its own, and a test fails when
an upgrade moves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

import engineio
import orjson
import socketio
from aiohttp import web

from handlers.handshakes import Handshakes
from models.errors import ProctoringError, RateLimited, Unauthorized
from models.measures import UNKNOWN, Measures
from models.trail import Trail, follow, leave
from server.bounds import Bounds
from server.packets import Json, TextPacket, ack, encoded, event_of
from server.rooms import Rooms
from server.sockets import Socket, frame_of

logger = logging.getLogger(__name__)

MAX_FRAME: Final = 256 * 1024
_SWEEP_S: Final = 1.0


class Engine(engineio.AsyncServer):  # type: ignore[misc] # python-engineio ships no types
    """Engine.IO with our sockets: one sweep a second for all of them, and named origins beside its own pages."""

    in_use: Callable[[str], bool]  # whether a connection has a namespace
    refuse: Callable[[], ProctoringError | None]  # why a new connection is not taken now
    sockets: dict[str, Socket]
    start_service_task: bool

    def __init__(self, **options: Any) -> None:
        self._origins = options.pop("origins")
        self.bounds: Bounds = options.pop("bounds")
        self._handshakes: Handshakes = options.pop("handshakes")
        self.measures: Measures = options.pop("measures")
        super().__init__(**options)

    async def close(self, eio_sid: str) -> None:
        """Close one connection, once what waits for it is sent."""
        socket = self.sockets.get(eio_sid)
        if socket is not None:
            await socket.close()

    def publish(self, eio_sids: Iterable[str], message: str | bytes) -> None:
        """Send one message to many, framed once."""
        framed = frame_of(message)
        for eio_sid in eio_sids:
            socket = self.sockets.get(eio_sid)
            if socket is not None:
                socket.push(message, framed)

    async def _handle_connect(
        self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None
    ) -> web.StreamResponse | dict[str, Any]:
        try:
            place = self._handshakes.enter(environ["aiohttp.request"].remote)
        except RateLimited as error:
            self.measures.connect(UNKNOWN, error.code)
            return _refused(error)
        if refusal := self.refuse():
            place.leave()
            self.measures.connect(UNKNOWN, refusal.code)
            return _refused(refusal)
        if self.start_service_task:
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        sid = self.generate_id()
        socket = self.sockets[sid] = Socket(self, sid, place)
        opening = {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int(self.ping_interval * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        await socket.send(engineio.packet.Packet(engineio.packet.OPEN, opening))
        await self._trigger_event("connect", sid, environ, run_async=False)
        if transport == "websocket":
            try:
                answer: web.StreamResponse = await socket.handle_get_request(environ)
            except web.HTTPBadRequest:
                await socket.close(abort=True)
                raise
            return answer
        socket.connected = True
        polled: dict[str, Any] = self._ok(await socket.poll(), jsonp_index=jsonp_index)
        return polled

    async def _service_task(self) -> None:
        """Every second: pings, clients that do not answer or do not read, connections that nobody uses."""
        self.service_task_event = asyncio.Event()
        loop = asyncio.get_running_loop()
        while not self.service_task_event.is_set():
            now = loop.time()
            for socket in list(self.sockets.values()):
                if socket.closed:
                    self.sockets.pop(socket.sid, None)
                else:
                    socket.check(now)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.service_task_event.wait(), _SWEEP_S)

    def _cors_allowed_origins(self, environ: dict[str, Any]) -> list[str] | None:
        allowed: list[str] | None = super()._cors_allowed_origins(environ)
        return allowed if allowed is None else [*allowed, *self._origins]


class Server(socketio.AsyncServer):  # type: ignore[misc] # python-socketio ships no types
    """Socket.IO that is never silent on an open connection."""

    eio: Engine

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.eio.in_use = self._in_use
        self.eio.refuse = lambda: None

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    def _in_use(self, eio_sid: str) -> bool:
        return any(self.manager.sid_from_eio_sid(eio_sid, namespace) for namespace in self.manager.get_namespaces())

    async def close_all(self) -> None:
        """Close every connection, also of a client that does not answer the closing."""
        await asyncio.gather(*(self.eio.close(eio_sid) for eio_sid in list(self.eio.sockets)))

    def is_open(self, sid: str, namespace: str) -> bool:
        """Whether the client's transport is still there; python-socketio does not look while it connects one."""
        socket = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, namespace))
        return socket is not None and socket.open

    async def leave(self, sid: str, namespace: str) -> None:
        """Close a client's transport, once what it sent is answered; it comes back by itself."""
        socket = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, namespace))
        if socket is not None:
            await socket.leave()

    async def drop(self, sid: str, namespace: str) -> None:
        """Disconnect a client, and its transport with it where it has no other namespace on it."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        await self.disconnect(sid, namespace)
        if not any(self.manager.sid_from_eio_sid(eio_sid, other) for other in list(self.manager.get_namespaces())):
            await self.eio.close(eio_sid)

    async def _send_packet(self, eio_sid: str, pkt: TextPacket) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            for message in encoded(pkt):
                socket.push(message)

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        """Keep of the request only what is asked of it later: three kilobytes a connection less."""
        request: web.Request = environ["aiohttp.request"]
        kept = {"address": request.remote, "user_agent": request.headers.get("User-Agent", "")[:300]}
        await super()._handle_eio_connect(eio_sid, kept)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        token = follow(Trail(eio_sid))  # whoever closes it may be another one
        try:
            await super()._handle_eio_disconnect(eio_sid, reason)
        finally:
            leave(token)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        follow(Trail(eio_sid))
        try:
            if isinstance(data, str):
                if eio_sid in self._binary_packet:
                    raise ValueError("text where an attachment is due")
                if event := event_of(data):
                    return await self._handle_event(eio_sid, *event)
            await super()._handle_eio_message(eio_sid, data)
        except Exception as error:  # noqa: BLE001 nobody can tell which ack was asked for
            self.eio.measures.refused("malformed_packets")
            # Not with its text, which may have in it what the packet had: a token.
            logger.info("a packet that cannot be decoded closes its connection: %s", type(error).__name__)
            await self.eio.close(eio_sid)

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        before = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        await super()._handle_connect(eio_sid, namespace, data)
        socket = self.eio.sockets.get(eio_sid)
        if socket is None:
            return
        if self.manager.sid_from_eio_sid(eio_sid, namespace or "/") in (None, before):
            socket.refuse()
        else:
            socket.authenticated()

    async def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: list[Any]) -> None:  # noqa: A002 python-socketio's name
        """One event, straight to its namespace, which has an answer to every name: the library's search costs half."""
        namespace = namespace or "/"
        socket = self.eio.sockets.get(eio_sid)
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if self.manager.is_connected(sid, namespace):
            answer = await self.namespace_handlers[namespace].trigger_event(data[0], sid, *data[1:])
        else:
            answer = {"ok": False, "error": Unauthorized("This namespace is not connected.").as_dict()}
            if socket is not None:
                socket.refuse()
        if id is not None and socket is not None:
            socket.push(ack(namespace, id, answer))


def _refused(refusal: ProctoringError) -> dict[str, Any]:
    """The library's form of an answer in the contract's shape."""
    headers = [("Content-Type", "application/json")]
    if refusal.retry_after_s is not None:
        headers.append(("Retry-After", str(refusal.retry_after_s)))
    status = f"{refusal.status} {HTTPStatus(refusal.status).phrase.upper()}"
    return {"status": status, "headers": headers, "response": orjson.dumps({"error": refusal.as_dict()})}


def make_server(
    transports: list[str],
    origins: list[str],
    bounds: Bounds,
    handshakes: Handshakes,
    measures: Measures,
) -> Server:
    """A Socket.IO server. `origins`: who may connect from a browser beside the server's own pages; `*` for all."""
    # Given none, the libraries write errors a second time, by handlers of their own.
    quiet = logging.getLogger("server.protocol")
    quiet.setLevel(logging.ERROR)
    return Server(
        async_mode="aiohttp",
        client_manager=Rooms(),
        # One client's events are handled in their order, and a slow one delays only itself.
        async_handlers=False,
        transports=transports,
        cors_allowed_origins="*" if "*" in origins else None,
        origins=origins,
        bounds=bounds,
        handshakes=handshakes,
        measures=measures,
        max_http_buffer_size=MAX_FRAME,
        namespaces="*",  # so that an unknown one is refused in the contract's shape
        json=Json,
        serializer=TextPacket,
        logger=quiet,
        engineio_logger=quiet,
    )
