"""When a server was last alive, so that the next one can tell how long none was."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Final

from pymongo.errors import PyMongoError

from models.database import Database, Stored
from models.fields import now

logger = logging.getLogger(__name__)

_EVERY_S: Final = 5.0
_NOTE: Final = {"_id": "server"}


class Lifetime:
    """Notes every 5 s that this server is alive."""

    def __init__(self, database: Database) -> None:
        self._servers = database.servers
        self._task: asyncio.Task[None] | None = None

    async def down(self) -> timedelta | None:
        """How long no server has been alive; None where there was none before."""
        note: Stored | None = await self._servers.find_one(_NOTE)
        return max(timedelta(), now() - note["at"]) if note else None

    def open(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._note()

    async def _run(self) -> None:
        while True:
            await self._note()
            await asyncio.sleep(_EVERY_S)

    async def _note(self) -> None:
        try:
            await self._servers.update_one(_NOTE, {"$set": {"at": now()}}, upsert=True)
        except PyMongoError as error:
            logger.warning("that the server is alive is noted later: %s", error)
