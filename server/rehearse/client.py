"""One Socket.IO connection that tells at once when no answer can come any more."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any, Final

import socketio

_ACK_S: Final = 15.0
AGAIN_S: Final = 0.5


class Disconnected(Exception):
    """The connection went before the answer came."""


class Refused(Exception):
    """The server answered with an error; its text is the code."""


class Client:
    """One connection to one namespace, made anew when it is lost."""

    def __init__(self, url: str, namespace: str, auth: dict[str, str]) -> None:
        self._url, self.namespace, self._auth = url, namespace, auth
        self._pending: set[asyncio.Future[Any]] = set()
        self._socket = self._make()

    def _make(self) -> socketio.AsyncClient:
        socket = socketio.AsyncClient(reconnection=False)
        socket.on("disconnect", self._gone, namespace=self.namespace)
        return socket

    def on(self, event: str, handler: Any) -> None:
        self._socket.on(event, handler, namespace=self.namespace)

    async def connect(self) -> None:
        """Connect, again and again until it works."""
        while True:
            try:
                await self._socket.connect(
                    self._url, namespaces=[self.namespace], auth=self._auth, transports=["websocket"], wait_timeout=10
                )
            except socketio.exceptions.ConnectionError:
                with contextlib.suppress(Exception):  # whatever state it is in, the next one is new
                    await self._socket.disconnect()
                await asyncio.sleep(AGAIN_S * random.uniform(0.5, 1.5))  # noqa: S311 jitter
            else:
                return

    async def call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The data of the ack; Refused for an error, Disconnected where none can come any more."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.add(future)
        try:
            await self._socket.emit(event, payload, namespace=self.namespace, callback=_resolver(future))
            ack = await asyncio.wait_for(future, _ACK_S)
        except (socketio.exceptions.SocketIOError, TimeoutError) as error:
            raise Disconnected from error
        finally:
            self._pending.discard(future)
        if not ack["ok"]:
            raise Refused(ack["error"]["code"])
        data: dict[str, Any] = ack["data"]
        return data

    async def drop(self) -> None:
        """Lose the connection without a word, as a network does."""
        with contextlib.suppress(Exception):  # it may have gone by itself
            await self._socket.eio.disconnect(abort=True)
        self._gone()

    async def close(self) -> None:
        with contextlib.suppress(Exception):  # it may have gone by itself
            await self._socket.disconnect()

    def _gone(self, *_: object) -> None:
        for future in self._pending:
            if not future.done():
                future.set_exception(Disconnected())


def _resolver(future: asyncio.Future[Any]) -> Any:
    def resolve(ack: Any) -> None:
        if not future.done():
            future.set_result(ack)

    return resolve
