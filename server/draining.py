"""Leaving: everybody who is connected goes to another node, or to whoever serves next, each at a moment of its own."""

from __future__ import annotations

import asyncio
import logging
import random

from handlers.connections import Connection, Connections
from server.engine import Server

logger = logging.getLogger(__name__)


async def drain(server: Server, connections: Connections, spread_s: float) -> None:
    """Take no new clients, tell those there are, and close each at a random moment within `spread_s` seconds, once what
    it sent is answered. Returns when all are gone.

    A client whose transport was closed comes back by itself: Socket.IO's own does, which it would not do after the
    packet that disconnects from a namespace.
    """
    connections.draining = True
    leaving = connections.all()
    if leaving:
        logger.info("%d connections leave within %g s", len(leaving), spread_s)

    async def leave(connection: Connection) -> None:
        delay = random.uniform(0, spread_s)  # noqa: S311 no secret
        told = {"reconnectInMs": round(delay * 1000)}
        await server.emit("draining", told, room=connection.sid, namespace=connection.namespace)
        await asyncio.sleep(delay)
        await server.leave(connection.sid, connection.namespace)

    await asyncio.gather(*map(leave, leaving))
