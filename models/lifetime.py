"""When a server was last alive, so that the next one can tell how long none was."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final

from pymongo.errors import PyMongoError

from models.database import Database, Stored
from models.fields import now
from models.periodic import Periodic

_EVERY_S: Final = 5.0
_NOTE: Final = {"_id": "server"}


class Lifetime:
    """Notes every 5 s that this server is alive."""

    def __init__(self, database: Database) -> None:
        self._servers = database.servers
        self._alive = False
        self._periodic = Periodic(_EVERY_S, self._note, "noting that the server is alive")

    async def down(self) -> timedelta | None:
        """How long no server has been alive; None where there was none before."""
        note: Stored | None = await self._servers.find_one(_NOTE)
        return max(timedelta(), now() - note["at"]) if note else None

    def open(self) -> None:
        self._alive = True
        self._periodic.open()

    async def close(self) -> None:
        await self._periodic.close()
        if self._alive:
            with suppress(PyMongoError):
                await self._note()

    async def _note(self) -> None:
        await self._servers.update_one(_NOTE, {"$set": {"at": now()}}, upsert=True)
