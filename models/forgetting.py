"""What is erased in the database is still in memory: here every process is told to forget it, whoever erased it.

Who erases leaves a note, and the processes look for notes every two seconds: so a server forgets what a command beside
it, or another node, has erased, and closes the sockets of who is gone. Nodes that have hints look at once; what a hint
that was lost would have said is found two seconds later.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bson import ObjectId

from models.database import Database
from models.fields import now
from models.hints import Hints
from models.periodic import Periodic

logger = logging.getLogger(__name__)

_EVERY_S: Final = 2.0
_OVERLAP: Final = timedelta(minutes=1)  # by so much clocks may differ, and a note may be late


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What is erased. `user_id`: a person whose account is gone. `exam_id`: in whose log something was erased, namely
    what the records of `session_ids` said, and, with `user_id`, what that person wrote.
    """

    user_id: ObjectId | None = None
    exam_id: ObjectId | None = None
    session_ids: tuple[ObjectId, ...] = ()


Subscriber = Callable[[Gone], Awaitable[None]]


class Forgetting:
    """`subscribers` hear of all that is erased, in this process at once, in every other within seconds."""

    def __init__(self, database: Database, hints: Hints) -> None:
        self._notes = database.gone
        self._hints = hints
        hints.follow("gone", lambda _: self.look())
        self._subscribers: list[Subscriber] = []
        self._since: datetime = now()
        self._heard: dict[ObjectId, datetime] = {}
        self.periodic = Periodic(_EVERY_S, self.look, "looking for what was erased")

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    async def tell(self, gone: Gone) -> None:
        """Have it forgotten, once it is erased in the database."""
        note = ObjectId()
        self._heard[note] = now()
        await self._notes.insert_one(
            {
                "_id": note,
                "at": self._heard[note],
                "userId": gone.user_id,
                "examId": gone.exam_id,
                "sessionIds": list(gone.session_ids),
            }
        )
        self._hints.tell("gone", [note])
        await self._forget(gone)

    async def look(self) -> None:
        """Forget what other processes erased since the last look."""
        time = now()
        for note in await self._notes.find({"at": {"$gt": self._since - _OVERLAP}}).to_list(None):
            if note["_id"] not in self._heard:
                self._heard[note["_id"]] = note["at"]
                session_ids = tuple(note["sessionIds"])
                await self._forget(Gone(user_id=note["userId"], exam_id=note["examId"], session_ids=session_ids))
        self._since = time
        self._heard = {one: at for one, at in self._heard.items() if at > time - 2 * _OVERLAP}

    async def _forget(self, gone: Gone) -> None:
        for subscriber in self._subscribers:
            try:
                await subscriber(gone)
            except Exception:  # the others must hear of it too
                logger.exception("something that was erased may still be in memory")
