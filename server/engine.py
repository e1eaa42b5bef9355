"""python-socketio and aiohttp, set up for a server that answers every event.

python-socketio implements the protocol. What is changed here is what it does with frames that no conforming client
sends; each change sits at a method of its own, and a test fails when an upgrade moves it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, Final

import engineio
import orjson
import socketio
from aiohttp import web
from engineio.async_drivers import aiohttp as engineio_aiohttp

from models.errors import Unauthorized
from models.fields import to_json

logger = logging.getLogger(__name__)

MAX_FRAME: Final = 256 * 1024


class Json:
    """The `json` that python-socketio asks for: orjson, with ids and times as the contract has them.

    orjson also refuses what the standard library lets through: NaN, lone surrogates, numbers without bound.
    """

    JSONDecodeError = json.JSONDecodeError

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        return to_json(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        return orjson.loads(text)


class TextPacket(socketio.packet.Packet):  # type: ignore[misc] # python-socketio ships no types
    """A packet whose own data is never searched for bytes: we send none."""

    uses_binary_events = False


class WebSocket(engineio_aiohttp.WebSocket):  # type: ignore[misc] # python-engineio ships no types
    """A WebSocket without compression, which costs 100 KB a connection, and with room for the largest frame.

    aiohttp refuses a frame of just the size that it is given.
    """

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        self.environ = environ
        self._sock = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size + 1, compress=False)
        await self._sock.prepare(environ["aiohttp.request"])
        await self.handler(self)
        return self._sock


class Engine(engineio.AsyncServer):  # type: ignore[misc] # python-engineio ships no types
    """Engine.IO whose closed sockets are really closed, and which serves its own pages beside named origins."""

    def __init__(self, **options: Any) -> None:
        self._origins = options.pop("origins")
        super().__init__(**options)
        self._async: dict[str, Any] = {**self._async, "websocket": WebSocket}

    async def close(self, eio_sid: str) -> None:
        """Close one connection, once what waits for it is sent."""
        socket = self.sockets.get(eio_sid)
        if socket is not None:
            await socket.close(wait=False)
            socket.queue.put_nowait(None)  # ends its writer, which then closes the WebSocket

    def _cors_allowed_origins(self, environ: dict[str, Any]) -> list[str] | None:
        allowed: list[str] | None = super()._cors_allowed_origins(environ)
        return allowed if allowed is None else [*allowed, *self._origins]

    async def _trigger_event(self, event: str, *args: Any, **kwargs: Any) -> Any:
        answer = await super()._trigger_event(event, *args, **kwargs)
        if event == "message":
            # A socket that was closed while its message was handled goes on reading; this ends its loop.
            socket = self.sockets.get(args[0])
            if socket is None or socket.closed:
                raise engineio.exceptions.SocketIsClosedError
        return answer


class Server(socketio.AsyncServer):  # type: ignore[misc] # python-socketio ships no types
    """Socket.IO that is never silent on an open connection."""

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    async def close_all(self) -> None:
        """Close every connection, also of a client that does not answer the closing."""
        await asyncio.gather(*(self.eio.close(eio_sid) for eio_sid in list(self.eio.sockets)))

    def is_open(self, sid: str, namespace: str) -> bool:
        """Whether the client's transport is still there; python-socketio does not look while it connects one."""
        socket = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, namespace))
        return socket is not None and not socket.closed

    async def drop(self, sid: str, namespace: str) -> None:
        """Disconnect a client, and its transport with it where it has no other namespace on it."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        await self.disconnect(sid, namespace)
        if not any(self.manager.sid_from_eio_sid(eio_sid, other) for other in list(self.manager.get_namespaces())):
            await self.eio.close(eio_sid)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        try:
            if isinstance(data, str) and eio_sid in self._binary_packet:
                raise ValueError("text where an attachment is due")
            await super()._handle_eio_message(eio_sid, data)
        except Exception as error:  # noqa: BLE001 nobody can tell which ack was asked for
            logger.info("a packet that cannot be decoded closes its connection: %s", str(error)[:200])
            await self.eio.close(eio_sid)

    async def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: list[Any]) -> None:  # noqa: A002 python-socketio's name
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if id is not None and not self.manager.is_connected(sid, namespace or "/"):
            refusal = {"ok": False, "error": Unauthorized("This namespace is not connected.").as_dict()}
            ack = self.packet_class(socketio.packet.ACK, namespace=namespace, id=id, data=[refusal])
            await self._send_packet(eio_sid, ack)
            return
        await super()._handle_event(eio_sid, namespace, id, data)


def make_server(transports: list[str], origins: list[str]) -> Server:
    """A Socket.IO server. `origins`: who may connect from a browser beside the server's own pages; `*` for all."""
    return Server(
        async_mode="aiohttp",
        # One client's events are handled in their order, and a slow one delays only itself.
        async_handlers=False,
        transports=transports,
        cors_allowed_origins="*" if "*" in origins else None,
        origins=origins,
        max_http_buffer_size=MAX_FRAME,
        namespaces="*",  # so that an unknown one is refused in the contract's shape
        json=Json,
        serializer=TextPacket,
        logger=False,
        engineio_logger=False,
    )
