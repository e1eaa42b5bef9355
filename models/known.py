"""What a process knows of an exam's log without asking: which numbers are stored, what proctors wrote, and what all
of it comes to for each session.

Whoever appends to the log has seen all before; so what is known here is enough to tell a repeat without a unique
index, and to give a student what it was written without a query. It is noted in the database now and then, so that
a process which opens the log reads the note and the records after it, not the whole log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from models.activity import Entry
from models.database import Database, Stored, find_by_ids
from models.fields import now
from models.forgetting import Gone
from models.offsets import record_id
from models.places import Places
from models.seqs import Seqs
from models.summary import Summary

# A guard of what this process saw happen is its own: nobody else repeats it, and `forget` ends it.
_OWN: Final = ("connected:", "disconnected:", "second_connection:")
_OF_NOW: Final = {"places", "hands"}  # which notes of earlier versions lack
_REPEATED_FOR: Final = timedelta(days=1)
_FOR_A_WHILE: Final = ("request:", "restart:")

Client = tuple[ObjectId | None, str]  # of which session
Guard = tuple[ObjectId | None, str]


class _Guarded(NamedTuple):
    offset: int
    at: datetime


class Known:
    """Of one exam's log, up to its head."""

    def __init__(self, database: Database, exam_id: ObjectId) -> None:
        self._activity = database.activity
        self._notes = database.log_notes
        self._exam_id = exam_id
        self.places = Places(database, exam_id)
        self._clients: defaultdict[Client, Seqs] = defaultdict(Seqs)
        self._guards: dict[Guard, _Guarded] = {}
        self._chat: defaultdict[ObjectId | None, dict[int, Stored]] = defaultdict(dict)
        self.summaries: defaultdict[ObjectId, Summary] = defaultdict(Summary)

    def add(self, record: Stored) -> None:
        """Remember a stored record."""
        session_id, offset = record["sessionId"], record["offset"]
        self.places.add(session_id, offset)
        if record.get("guard") is not None:
            self._guards[session_id, record["guard"]] = _Guarded(offset, record["receivedAt"])
        elif record["clientId"] is not None and record["seq"] is not None:
            self._clients[session_id, record["clientId"]].add(record["seq"], offset)
        if record["type"] == "chat" and record["source"] == "proctor" and not record.get("erased"):
            self._chat[session_id][offset] = record
        if session_id is not None:
            self.summaries[session_id].add(record)

    def __contains__(self, entry: Entry) -> bool:
        """Whether what `entry` would record is stored."""
        if entry.once is not None:
            return (entry.session_id, entry.once) in self._guards
        if entry.client_id is None or entry.seq is None:
            return False
        known = self._clients.get((entry.session_id, entry.client_id))
        return known is not None and entry.seq in known

    async def stored(self, entries: Iterable[Entry]) -> list[Stored | None]:
        """The records that these repeat, in order; None for one that has gone with its exam."""
        ids = [record_id(self._exam_id, await self._offset(entry)) for entry in entries]
        found = await find_by_ids(self._activity, ids)
        return [found.get(one) for one in ids]

    async def _offset(self, entry: Entry) -> int:
        """Where it is stored. A client's first repeat reads its session's records, once."""
        if entry.once is not None:
            return self._guards[entry.session_id, entry.once].offset
        offsets = self._clients[entry.session_id, entry.client_id or ""].offsets
        if entry.seq not in offsets:
            async for record in self.places.records(entry.session_id, since=0, beyond=False):
                if record["clientId"] == entry.client_id and record["seq"] is not None:
                    offsets[record["seq"]] = record["offset"]
        return offsets.get(entry.seq or 0, 0)

    def forget(self, session_id: ObjectId, guards: list[str]) -> None:
        """Drop guards that nobody will come with again."""
        for guard in guards:
            self._guards.pop((session_id, guard), None)

    def forget_foreign(self, record: Stored) -> None:
        """Drop the guard of what another process saw happen: only that one might come with it again."""
        guard = record.get("guard")
        if guard is not None and guard.startswith(_OWN):
            self._guards.pop((record["sessionId"], guard), None)

    def erased(self, gone: Gone) -> None:
        """Forget what was said to these sessions, or, without any, by this user."""
        for session_id in gone.session_ids:
            self._chat.pop(session_id, None)
            if session_id in self.summaries:
                self.summaries[session_id].erase()
        if gone.user_id and not gone.session_ids:
            for written in self._chat.values():
                for offset in [one for one, record in written.items() if record["actorId"] == gone.user_id]:
                    del written[offset]

    def seqs(self, session_id: ObjectId | None, client_id: str) -> Seqs:
        """The numbers stored of one client."""
        return self._clients[session_id, client_id]

    def chat(self, session_id: ObjectId, since: int, limit: int) -> list[Stored]:
        """The latest that proctors wrote to a session, or to all, after `since`, in order."""
        written = {**self._chat.get(None, {}), **self._chat.get(session_id, {})}
        return [written[offset] for offset in sorted(written) if offset > since][-limit:]

    async def load(self) -> int:
        """Take up what was noted; returns up to which offset, 0 for nothing."""
        note: Stored | None = await self._notes.find_one({"_id": self._exam_id})
        # One that is ahead of the log, as after a backup was put back by halves, says nothing.
        if (
            not note
            or not note.keys() >= _OF_NOW
            or not await self._activity.find_one({"_id": record_id(self._exam_id, note["offset"])})
        ):
            return 0
        offsets = [*note["chat"], *(offset for _, offset in note["hands"])]
        written = await find_by_ids(self._activity, [record_id(self._exam_id, offset) for offset in offsets])
        if not await self.places.load(note["offset"], note["places"]):
            return 0
        for session_id, client_id, dense, sparse in note["clients"]:
            self._clients[session_id, client_id] = Seqs(dense, sparse)
        for session_id, guard, offset, at in note["guards"]:
            self._guards[session_id, guard] = _Guarded(offset, at)
        for session_id, summary in note["summaries"]:
            self.summaries[session_id] = Summary.noted(summary)
        for record in written.values():
            if record["type"] == "hand_raised":
                self.summaries[record["sessionId"]].raise_hand(record)
            elif not record.get("erased"):
                self._chat[record["sessionId"]][record["offset"]] = record
        upto: int = note["offset"]
        return upto

    def note(self, offset: int) -> Stored:
        """All of it, as it is at `offset`, for `save`."""
        old = now() - _REPEATED_FOR
        for guard, guarded in list(self._guards.items()):
            if guarded.at < old and guard[1].startswith(_FOR_A_WHILE):
                del self._guards[guard]
        return {
            "offset": offset,
            "clients": [[*client, seqs.dense, list(seqs.sparse)] for client, seqs in self._clients.items()],
            "guards": [[*guard, *guarded] for guard, guarded in self._guards.items() if not guard[1].startswith(_OWN)],
            "chat": [offset for written in self._chat.values() for offset in written],
            "hands": [[key, one.raised_at] for key, one in self.summaries.items() if one.hand],
            "summaries": [[session_id, summary.note()] for session_id, summary in self.summaries.items()],
            "places": self.places.note(),
        }

    async def save(self, note: Stored) -> None:
        await self.places.store(note["offset"])  # first: what a note speaks of is there
        # Another process may have noted more: then there is nothing to replace, and no room for a new one.
        older = {"_id": self._exam_id, "offset": {"$lt": note["offset"]}}
        with suppress(DuplicateKeyError):
            await self._notes.replace_one(older, note, upsert=True)
