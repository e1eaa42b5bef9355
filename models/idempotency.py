"""Writes that may be sent again: the first answer is kept for a day and given again.

What the write makes takes its id from the same key (`new_id`), so that a repeat whose first answer was lost in a crash
finds what is there instead of making it twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Container
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from bson import ObjectId

from models.database import Database, Stored, patience
from models.errors import Conflict
from models.fields import now


@dataclass(frozen=True, slots=True)
class Key:
    """One request that may come again: `digest` tells who sent it where, `content` what it said."""

    digest: str
    content: str

    @classmethod
    def of(cls, *who_and_where: str, content: bytes) -> Key:
        digest = hashlib.sha256("\0".join(who_and_where).encode("utf-8", "surrogateescape")).hexdigest()
        return cls(digest, hashlib.sha256(content).hexdigest())

    @property
    def new_id(self) -> ObjectId:
        """The id of what this request makes."""
        return ObjectId(self.digest[:24])


class Idempotency:
    """The answers of a day. `lock` is held over look-up, work and keep, so that two at once become one."""

    def __init__(self, database: Database) -> None:
        self._answers = database.idempotency
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, key: Key) -> asyncio.Lock:
        return self._locks.setdefault(key.digest, asyncio.Lock())

    async def find(self, key: Key) -> Any | None:
        """The first answer, or None; Conflict where the same key came with other content."""
        stored: Stored | None = await self._answers.find_one({"_id": key.digest})
        if stored is None:
            return None
        if stored["content"] != key.content:
            raise Conflict("This was sent before with other content.")
        if stored.get("erased"):
            raise Conflict("The person whom this was about has been erased since.")
        return stored["answer"]

    async def keep(self, key: Key, answer: Any) -> None:
        document = {"_id": key.digest, "content": key.content, "answer": answer, "createdAt": now()}
        await self._answers.replace_one({"_id": key.digest}, document, upsert=True)

    async def erase(self, user_id: ObjectId, session_ids: Container[ObjectId]) -> None:
        """Forget the answers that have a person's name, or what was ordered of these sessions, in them."""
        with patience():
            async for one in self._answers.find({"erased": {"$exists": False}}):
                if _is_about(one["answer"], user_id, session_ids):
                    forgotten = {"$set": {"answer": None, "erased": True}}
                    await self._answers.update_one({"_id": one["_id"]}, forgotten)


def _is_about(answer: Any, user_id: ObjectId, session_ids: Container[ObjectId]) -> bool:
    if isinstance(body := answer.get("body"), bytes):  # a user, or a session with its `user`, over REST
        return f'"id":"{user_id}"'.encode() in body
    return any(one["sessionId"] in session_ids for one in answer.get("commands", ()))
