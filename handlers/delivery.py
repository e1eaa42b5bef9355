"""Commands on their way to students: sent at once to who is connected, and again after each start until confirmed."""

from __future__ import annotations

from typing import Any

import socketio
from bson import ObjectId

from handlers.connections import Connection, Connections
from models.commands import CommandList
from models.store import Store


class Delivery:
    """Subscribes to the commands."""

    def __init__(self, server: socketio.AsyncServer, store: Store, connections: Connections) -> None:
        self._server = server
        self._store = store
        self._connections = connections

    async def commands(self, exam_id: ObjectId, commands: CommandList) -> None:
        """New commands go to the connections that there are."""
        sent = [one for one in commands if one["fate"] == "QUEUED" and await self._send(one)]
        await self._store.commands.delivered(sent)

    async def again(self, commands: CommandList) -> None:
        """Give a client, whose start has just been acknowledged, what it has not confirmed, in order."""
        await self._store.commands.delivered([one for one in commands if await self._send(one)])

    async def _send(self, command: dict[str, Any]) -> bool:
        """Whether there was a connection to send it to."""
        connection: Connection | None = self._connections.bound(command["sessionId"])
        if connection is None or connection.closed or connection.told is None:  # what has not started is given it then
            return False
        await self._server.emit("command", command, room=connection.sid, namespace=connection.namespace)
        return True
