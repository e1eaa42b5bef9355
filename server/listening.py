"""Listening for connections, and taking a few of them a turn of the loop.

An event loop takes all connections that wait at once, and then reads from all of them: two thousand who arrive in one
instant are one turn of a second in which nobody who is already in is heard. Here the rest waits in the kernel's
backlog, and turn by turn those who are in have their share.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

logger = logging.getLogger(__name__)

_BACKLOG: Final = 2048  # the usual 128 lets most of a thousand who arrive at once try again a second later
_MOST_A_TURN: Final = 10
_PAUSE_S: Final = 1.0

Factory = Callable[[], asyncio.BaseProtocol]


class Listener:
    """Takes TCP connections on one host and port until it is closed. Made by `open`."""

    def __init__(self, sockets: list[socket.socket], factory: Factory) -> None:
        self._loop = asyncio.get_running_loop()
        self._factory = factory
        self._sockets = sockets
        self._beginning: set[asyncio.Task[Any]] = set()
        for one in sockets:
            one.setblocking(False)
            self._loop.add_reader(one, self._accept, one)

    @classmethod
    async def open(cls, factory: Factory, host: str, port: int, *, shared: bool = False) -> Listener:
        """Listen on every address that `host` stands for; `factory` makes the protocol of a connection. OSError.

        `shared`: beside other processes that listen on the same port.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        sockets: list[socket.socket] = []
        try:
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                sockets.append(socket.create_server(address, family=family, backlog=_BACKLOG, reuse_port=shared))
        except OSError:
            for one in sockets:
                one.close()
            raise
        return cls(sockets, factory)

    @property
    def address(self) -> tuple[str, int]:
        """The first address, with the port that it has got where 0 was asked for."""
        host, port = self._sockets[0].getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Take no more."""
        for one in self._sockets:
            self._loop.remove_reader(one)
            one.close()
        self._sockets = []

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_MOST_A_TURN):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no file descriptor is left, or no memory: those who wait may wait longer
                logger.warning("connections are not taken for a while: %s", error)
                self._loop.remove_reader(listening)
                self._loop.call_later(_PAUSE_S, self._go_on, listening)
                return
            connection.setblocking(False)
            beginning = self._loop.create_task(self._begin(connection))
            self._beginning.add(beginning)
            beginning.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:  # it has gone again
            connection.close()

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)
