"""What is kept for a time only, and deleted here once a minute.

MongoDB has TTL indexes for that, and the embedded database too, but there they slow everything down: the sweep that
goes with them leaves its cursors where it ended, and as long as they stand there, until the next sweep, WiredTiger
cleans up nothing. Under changes an insert of 300 documents went from 60 ms to 470, for minutes; an append of 500
to a log took over 6 s now and then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from models.database import Database, patience
from models.fields import now
from models.periodic import Periodic

_EVERY_S: Final = 60.0
_DAY: Final = timedelta(days=1)


class Expiry:
    """Deletes revocations of expired tokens, and, a day old, answers to requests and notes on what is gone."""

    def __init__(self, database: Database) -> None:
        self._revocations = database.revocations
        self._answers = database.idempotency
        self._gone = database.gone
        self.periodic = Periodic(_EVERY_S, self.expire, "deleting what has had its time")

    async def expire(self) -> None:
        """Delete what has had its time."""
        with patience():
            await self._revocations.delete_many({"expiresAt": {"$lt": now()}})
            await self._answers.delete_many({"createdAt": {"$lt": now() - _DAY}})
            await self._gone.delete_many({"at": {"$lt": now() - _DAY}})
