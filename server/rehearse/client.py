"""One Socket.IO connection that tells at once when no answer can come any more."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import socketio

_ACK_S: Final = 15.0
_CONNECT_S: Final = 10.0
_CLOSE_S: Final = 1.0
_LOOK_S: Final = 0.25
AGAIN_S: Final = 0.5


class Disconnected(Exception):
    """The connection went before the answer came."""


class Refused(Exception):
    """The server answered with an error; its text is the code."""


class Client:
    """One connection to one namespace, made anew when it is lost.

    `outages`: from when to when (perf_counter) the server did not serve it, whether it was gone, silent or unavailable;
    what the client itself chose to be away does not count.
    """

    def __init__(self, url: str, namespace: str, auth: dict[str, str]) -> None:
        self._url, self.namespace, self._auth = url, namespace, auth
        self._pending: set[asyncio.Future[Any]] = set()
        self._handlers: dict[str, Any] = {}
        self._socket = socketio.AsyncClient(reconnection=False)
        self._lost = asyncio.Event()
        self._left = False  # by its own choice
        self._away_since: float | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.outages: list[tuple[float, float]] = []

    def on(self, event: str, handler: Any) -> None:
        self._handlers[event] = handler

    async def connect(self) -> None:
        """Connect, again and again until it works."""
        self._left = False
        self._missed(time.perf_counter())
        while not await self._try():  # noqa: ASYNC110 nothing tells when a server is there
            await asyncio.sleep(AGAIN_S * random.uniform(0.5, 1.5))  # noqa: S311 jitter

    async def _try(self) -> bool:
        """Connect with a new socket, since after a failure an old one may be in whatever state."""
        self._abandon()
        socket = self._socket = socketio.AsyncClient(reconnection=False)
        lost = self._lost = asyncio.Event()
        for event, handler in self._handlers.items():
            socket.on(event, handler, namespace=self.namespace)
        socket.on("disconnect", lambda *_: self._gone(lost), namespace=self.namespace)
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._open(socket)
        except Exception:  # noqa: BLE001 the library fails in many ways where a server goes while it opens
            if socket.eio.http is not None:  # which it leaves open
                await socket.eio.http.close()
            return False
        return True

    async def _open(self, socket: Any) -> None:
        """Connect; ConnectionError as soon as the connection is lost.

        python-socketio waits on through that, and passes it over where it comes just before the end.
        """
        connecting = asyncio.create_task(
            socket.connect(
                self._url, namespaces=[self.namespace], auth=self._auth, transports=["websocket"], wait_timeout=10
            )
        )
        was_open = False
        try:
            while not connecting.done():
                await asyncio.wait([connecting], timeout=_LOOK_S)
                is_open = socket.eio.state == "connected"
                if was_open and not is_open and not connecting.done():
                    raise ConnectionError
                was_open = was_open or is_open
            await connecting
            if socket.eio.state != "connected":
                raise ConnectionError
        finally:
            connecting.cancel()

    async def call(self, event: str, payload: dict[str, Any], timeout_s: float = _ACK_S) -> dict[str, Any]:
        """The data of the ack; Refused for an error, Disconnected where none can come any more."""
        if self._lost.is_set():  # what is sent all the same gets no answer
            raise Disconnected
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        sent, lost = time.perf_counter(), self._lost
        self._pending.add(future)
        try:
            await self._socket.emit(event, payload, namespace=self.namespace, callback=_resolver(future))
            async with asyncio.timeout(timeout_s):  # `wait_for` may swallow a cancellation
                ack = await future
        except (socketio.exceptions.SocketIOError, TimeoutError, Disconnected) as error:
            if lost is self._lost:
                self._missed(sent)
            self._gone(lost)  # where there was no answer: as good as lost
            raise Disconnected from error
        finally:
            self._pending.discard(future)
        if not ack["ok"]:
            if ack["error"]["code"] == "unavailable":
                self._missed(sent)
            raise Refused(ack["error"]["code"])
        self._served()
        data: dict[str, Any] = ack["data"]
        return data

    async def lost_within(self, seconds: float) -> bool:
        """Wait for so long, or until the connection is lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._lost.wait()
        return self._lost.is_set()

    async def drop(self) -> None:
        """Lose the connection without a word, as a network does."""
        self._leave()
        self._gone(self._lost)
        self._abandon()
        await asyncio.gather(*self._closing)

    async def close(self) -> None:
        self._leave()
        with contextlib.suppress(Exception):  # it may have gone by itself
            async with asyncio.timeout(_CLOSE_S):
                await self._socket.disconnect()

    def _leave(self) -> None:
        self._left, self._away_since = True, None

    def _abandon(self) -> None:
        """Have the socket closed, which may take a while where nobody answers."""

        async def close(socket: Any) -> None:
            with contextlib.suppress(Exception):  # it may have gone by itself
                async with asyncio.timeout(_CLOSE_S):
                    await socket.eio.disconnect(abort=True)

        if self._socket.eio.state == "connected":
            task = asyncio.create_task(close(self._socket))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _gone(self, lost: asyncio.Event) -> None:
        if lost is self._lost and not lost.is_set():
            lost.set()
            self._missed(time.perf_counter())
            for future in self._pending:
                if not future.done():
                    future.set_exception(Disconnected())

    def _missed(self, since: float) -> None:
        if self._away_since is None and not self._left:
            self._away_since = since

    def _served(self) -> None:
        if self._away_since is not None:
            self.outages.append((self._away_since, time.perf_counter()))
            self._away_since = None


def _resolver(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    def resolve(ack: Any) -> None:
        if not future.done():
            future.set_result(ack)

    return resolve


async def wait_out(error: Refused, refused: Counter[str]) -> None:
    """Count a refusal that passes, and wait a little; any other is raised again."""
    if str(error) != "unavailable":
        raise error
    refused[str(error)] += 1
    await asyncio.sleep(AGAIN_S)
