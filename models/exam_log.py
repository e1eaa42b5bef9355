"""One exam's log and its writer: ordered, durable, with offsets 1, 2, 3, … and no hole.

Entries wait in a list; the exam's one writer takes all that waits, numbers it on from the head and writes it in one
ordered insert. While that is under way the next batch gathers: alone, an entry waits for nobody; under load, batches
grow by themselves.

Why it stays dense and never doubles: `_id` is made of exam and offset, every insert starts at the offset after all
that the writer has seen, and is ordered. So of two inserts that meet (another process, or an earlier one of ours whose
answer was lost), one fails at its first document that collides, and leaves a prefix. After any failure the writer
reads on from its head until it has seen everything, finds its own records by their ids, and numbers the rest anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import PyMongoError

from models.activity import Entry, severity
from models.database import Database, Stored, is_duplicate, is_unavailable
from models.errors import Conflict, ProctoringError, Unavailable
from models.offsets import MAX_READ, find_head, read_offsets, record_id
from models.seqs import Seqs

logger = logging.getLogger(__name__)

Subscriber = Callable[[ObjectId, list[Stored]], Awaitable[None]]
Source = tuple[ObjectId | None, str]  # what numbers its entries: a session's client, or a guard of its own

_PATIENCE_S: Final = 5.0  # how long an entry may wait for the database before its caller is told `unavailable`
_RETRY_S: Final = 0.2
_MAX_WAITING: Final = 10_000


class Recorded:
    """Where an entry is in the log. `duplicate`: it had been there before."""

    __slots__ = ("duplicate", "record")

    def __init__(self, record: Stored, duplicate: bool) -> None:
        self.record, self.duplicate = record, duplicate

    def ack(self) -> dict[str, Any]:
        """The data of the ack: `{id, offset, duplicate?}`."""
        ack = {"id": self.record["id"], "offset": self.record["offset"]}
        return ack | {"duplicate": True} if self.duplicate else ack


class _Waiting:
    """An entry that waits for its commit. The future's result is the stored record, or None for a repeat."""

    __slots__ = ("entry", "expires", "future", "record_id")

    def __init__(self, entry: Entry, loop: asyncio.AbstractEventLoop) -> None:
        self.entry = entry
        self.record_id = ObjectId()
        self.expires = loop.time() + _PATIENCE_S
        self.future: asyncio.Future[Stored | None] = loop.create_future()


class ExamLog:
    """One exam's log and its writer. `head` is the highest offset that the subscribers have been handed."""

    def __init__(self, database: Database, exam_id: ObjectId, subscribers: Sequence[Subscriber]) -> None:
        self._activity = database.activity
        self._exam_id = exam_id
        self._subscribers = subscribers
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._opening = asyncio.Lock()
        self._opened = False
        self._behind = False  # something was written whose outcome we do not know
        self._seqs: dict[Source, Seqs] = {}
        self._bound: set[Source] = set()
        self.head = 0

    async def open(self) -> None:
        """Find the head, once."""
        async with self._opening:
            if not self._opened:
                self.head = await find_head(self._activity, self._exam_id)
                self._opened = True

    async def bind(self, session_id: ObjectId | None, guard: str) -> Seqs:
        """What is stored of one source, kept up to date from here on: enough to tell a repeat without an index."""
        source = (session_id, guard)
        if source not in self._bound:
            # Registered before the read, so that what is committed meanwhile is not missed.
            self._seqs.setdefault(source, Seqs())
            await self.open()
            query = {
                "examId": self._exam_id,
                "sessionId": session_id,
                "$or": [{"clientId": guard}, {"guard": guard}],
            }
            async for stored in self._activity.find(query, {"sessionId": 1, "clientId": 1, "seq": 1, "guard": 1}):
                self._remember(stored)
            self._bound.add(source)
        return self._seqs[source]

    async def append(self, entries: Sequence[Entry]) -> list[Recorded | ProctoringError]:
        """Record all of these in order, each once; returns when the database has acknowledged them.

        An error stands in the place of an entry that was refused: Conflict for a repeat with other content,
        Unavailable where the database did not answer in time.
        """
        await self.open()
        for entry in entries:
            if entry.guard is not None:
                await self.bind(entry.session_id, entry.guard)
        while len(self._waiting) >= _MAX_WAITING:
            self._room.clear()
            await self._room.wait()
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(entry, loop) for entry in entries]
        self._waiting.extend(waiting)
        if self._writer is None:
            self._writer = loop.create_task(self._write())
        results = await asyncio.gather(*(one.future for one in waiting), return_exceptions=True)
        return [await self._answer(one.entry, result) for one, result in zip(waiting, results, strict=True)]

    async def _answer(self, entry: Entry, result: Stored | BaseException | None) -> Recorded | ProctoringError:
        if isinstance(result, ProctoringError):
            return result
        if isinstance(result, BaseException):
            raise result
        if result is not None:
            return Recorded(result, duplicate=False)
        same = {"guard": entry.once} if entry.once else {"clientId": entry.client_id, "seq": entry.seq}
        stored = await self._activity.find_one({"examId": self._exam_id, "sessionId": entry.session_id} | same)
        if stored is None:  # the exam was deleted meanwhile
            return Conflict("The exam is gone.")
        if any(stored[name] != value for name, value in _content(entry).items()):
            return Conflict("This was recorded before, with other content.")
        return Recorded(stored, duplicate=True)

    async def _write(self) -> None:
        """Commit until nothing waits. One at a time runs."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            self._room.set()
            try:
                await self._commit(batch)
            except Exception as error:  # whoever waits must hear of it
                logger.exception("the log's writer failed", extra={"examId": str(self._exam_id)})
                for one in batch:
                    if not one.future.done():
                        one.future.set_exception(error)
        self._writer = None

    async def _commit(self, batch: list[_Waiting]) -> None:
        while batch:
            try:
                if self._behind:
                    await self._catch_up(batch)
                records = self._number(batch)
                if records:
                    self._behind = True
                    await self._activity.insert_many([record for _, record in records], ordered=True)
                    self._behind = False
                    await self._hand_over([record for _, record in records])
                    for one, record in records:
                        _resolve(one, record)
                batch = [one for one in batch if not one.future.done()]
            except PyMongoError as error:
                if not is_duplicate(error) and not is_unavailable(error):
                    raise
                if is_unavailable(error):
                    self._expire(batch)
                    self._expire(self._waiting)
                    await asyncio.sleep(_RETRY_S)
                batch = [one for one in batch if not one.future.done()]

    def _number(self, batch: list[_Waiting]) -> list[tuple[_Waiting, Stored]]:
        """The records to insert; a repeat of what is stored is resolved here, one within the batch next time."""
        records: list[tuple[_Waiting, Stored]] = []
        taken: set[tuple[Source, int]] = set()
        for one in batch:
            source, seq = (one.entry.session_id, one.entry.guard or ""), one.entry.guard_seq
            if one.entry.guard is not None:
                if seq in self._seqs[source]:
                    _resolve(one, None)
                    continue
                if (source, seq) in taken:
                    continue
                taken.add((source, seq))
            records.append((one, _record(one, self.head + len(records) + 1)))
        return records

    async def _catch_up(self, batch: list[_Waiting]) -> None:
        """Read on from the head until all is seen; resolve those of `batch` that turn out to be stored."""
        own = {one.record_id: one for one in batch}
        while records := await read_offsets(self._activity, self._exam_id, self.head, self.head + MAX_READ):
            await self._hand_over(records)
            for record in records:
                if record["id"] in own:
                    _resolve(own[record["id"]], record)
        self._behind = False

    async def _hand_over(self, records: list[Stored]) -> None:
        """Make `records`, which come right after the head, known here and to the subscribers."""
        for record in records:
            self._remember(record)
        self.head = records[-1]["offset"]
        for subscriber in self._subscribers:
            try:
                await subscriber(self._exam_id, records)
            except Exception:  # a subscriber's failure is not the log's
                logger.exception("a subscriber of the log failed", extra={"examId": str(self._exam_id)})

    def _remember(self, record: Stored) -> None:
        guard = record.get("guard") or (record["clientId"] if record["seq"] is not None else None)
        seqs = self._seqs.get((record["sessionId"], guard)) if guard is not None else None
        if seqs is not None:
            seqs.add(1 if record.get("guard") else record["seq"])

    def _expire(self, waiting: list[_Waiting]) -> None:
        time = asyncio.get_running_loop().time()
        for one in waiting:
            if one.expires <= time and not one.future.done():
                one.future.set_exception(Unavailable())
        waiting[:] = [one for one in waiting if not one.future.done()]
        self._room.set()


def _resolve(one: _Waiting, record: Stored | None) -> None:
    if not one.future.done():  # its caller may be gone
        one.future.set_result(record)


def _content(entry: Entry) -> dict[str, Any]:
    """What tells a repeat from another event under the same `seq`."""
    return {"type": entry.type, "data": entry.data, "occurredAt": entry.occurred_at}


def _record(one: _Waiting, offset: int) -> Stored:
    entry = one.entry
    record = {
        "_id": record_id(entry.exam_id, offset),
        "id": one.record_id,
        "offset": offset,
        "examId": entry.exam_id,
        "sessionId": entry.session_id,
        "userId": entry.user_id,
        "organisationId": entry.organisation_id,
        "type": entry.type,
        "severity": severity(entry.type, entry.data),
        "source": entry.source,
        "actorId": entry.actor_id,
        "clientId": entry.client_id,
        "seq": entry.seq,
        "occurredAt": entry.occurred_at,
        "receivedAt": entry.received_at,
        "late": entry.late,
        "data": entry.data,
    }
    if entry.actor_name is not None:
        record["actorName"] = entry.actor_name
    if entry.once is not None:
        record["guard"] = entry.once
    return record
