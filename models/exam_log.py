"""One exam's log and its writer: ordered, durable, with offsets 1, 2, 3, … and no hole.

Entries wait in a list; the exam's one writer takes what waits, numbers it on from the head and writes it in one
ordered insert. While that is under way the next batch gathers: alone, an entry waits for nobody; under load, batches
grow by themselves.

Why it stays dense and never doubles: `_id` is made of exam and offset, every insert starts at the offset after all
that the writer has seen, and is ordered. So of two inserts that meet (another process, or an earlier one of ours whose
answer was lost), one fails at its first document that collides, and leaves a prefix. After any failure the writer
reads on from its head until it has seen everything, finds its own records by their ids, and numbers the rest anew.

Where other nodes write too, they hint at it and this one reads on. Whoever needs to know what they have written by now
calls `fresh`. While others write, the writer looks first and inserts then, and leaves them their turns (`writers.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Final

from bson import ObjectId
from pymongo.errors import PyMongoError

from models.activity import Entry
from models.database import IDS_A_QUERY, Database, Stored, is_duplicate, is_unavailable
from models.errors import ProctoringError, Unavailable
from models.forgetting import Gone
from models.groups import Groups
from models.hints import Hints
from models.known import Known
from models.log_queue import LogQueue, Waiting
from models.offsets import MAX_READ, read_offsets
from models.records import Recorded, answer, record_of
from models.seqs import Seqs
from models.summary import Summary
from models.writers import Writers

logger = logging.getLogger(__name__)

Subscriber = Callable[[ObjectId, list[Stored]], Awaitable[None]]

_PATIENCE_S: Final = 6.0  # how long an entry may wait for the database before its caller is told `unavailable`
_RETRY_S: Final = 0.2
_NOTE_EVERY: Final = 2000
_PROBE: Final = 5  # each offset that is looked for costs, and mostly there are few


class ExamLog:
    """One exam's log and its writer. `head` is the highest offset that the subscribers have been handed."""

    def __init__(
        self, database: Database, exam_id: ObjectId, subscribers: Sequence[Subscriber], hints: Hints | None = None
    ) -> None:
        self._activity = database.activity
        self._hints = hints or Hints()
        self._exam_id = exam_id
        self._subscribers = subscribers
        self._queue = LogQueue()
        self._writer: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._opened = False
        self._others = Writers()
        self._turn = asyncio.Lock()  # held by whoever moves the head
        self._following: Groups[None, None] = Groups(self._follow, most=1000, patience_s=_PATIENCE_S)
        self._unsure: dict[ObjectId, Waiting] = {}  # an insert that failed: by their ids, what it may have stored
        self._known = Known(database, exam_id)
        self._noting: asyncio.Task[None] | None = None
        self.places = self._known.places
        self._store = database.measures.commits("activity").over(self._insert)
        self.head = self._noted = 0

    async def open(self) -> None:
        """Find the head and all that tells a repeat, once: from the note, and the records after it."""
        if self._opened:
            return
        async with self._opening:
            if self.head == 0 and not self._opened:
                self.head = self._noted = await self._known.load()
            while not self._opened:  # what was read before a failure, or a caller that lost patience, stays read
                records = await read_offsets(self._activity, self._exam_id, self.head, self.head + MAX_READ)
                for record in records:
                    self._known.add(record)
                self.head += len(records)
                self._opened = len(records) < MAX_READ

    async def fresh(self) -> None:
        """Have seen all that any node had stored before this was called."""
        await self.open()
        if self._hints.shared:
            await self._following(None)

    async def seqs(self, session_id: ObjectId, client_id: str) -> Seqs:
        """What is stored of one client, kept up to date from here on."""
        await self.fresh()
        if self._unsure and self._writing:  # what it may have stored is being found out
            await asyncio.wait([self._writing], timeout=_PATIENCE_S)
        if self._unsure:
            raise Unavailable
        return self._known.seqs(session_id, client_id)

    async def chat(self, session_id: ObjectId, since: int, limit: int) -> list[Stored]:
        """The latest that proctors wrote to a session, or to all of the exam, after `since`, in order."""
        await self.open()
        return self._known.chat(session_id, since, limit)

    def summary(self, session_id: ObjectId) -> Summary:
        """What the log comes to for one session, as far as it has been opened; kept up to date from there on."""
        return self._known.summaries[session_id]

    async def has(self, entry: Entry) -> bool:
        """Whether `entry` is the repeat of one that is stored."""
        await self.open()
        return entry in self._known

    def forget(self, session_id: ObjectId, guards: list[str]) -> None:
        """Drop guards (an entry's `once`) that nobody will come with again."""
        self._known.forget(session_id, guards)

    def erased(self, gone: Gone) -> None:
        """Forget what was said by or to whoever was erased."""
        self._known.erased(gone)

    async def append(self, entries: Sequence[Entry]) -> list[Recorded | ProctoringError]:
        """Record all of these in order, each once; returns when the database has acknowledged them.

        An error stands in the place of an entry that was refused: Conflict for a repeat with other content,
        Unavailable where the database did not answer in time: whether it is stored is then not known.
        """
        loop = asyncio.get_running_loop()
        waiting = [Waiting(entry, loop) for entry in entries]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await self._enqueue(waiting)
                    if waiting:
                        await asyncio.wait([one.future for one in waiting])
        finally:
            for one in waiting:
                if not one.future.done():  # from here on the writer passes it over
                    one.future.set_exception(Unavailable())
                    one.future.exception()  # retrieved, also where this caller was cancelled
        results = [one.future.exception() or one.future.result() for one in waiting]
        repeats = [entry for entry, result in zip(entries, results, strict=True) if result is None]
        before = iter(await self._known.stored(repeats) if repeats else ())
        return [
            answer(entry, result, next(before) if result is None else None)
            for entry, result in zip(entries, results, strict=True)
        ]

    async def _enqueue(self, waiting: list[Waiting]) -> None:
        await self.open()
        await self._queue.put(waiting)
        if not self._writing:
            self._writer = asyncio.create_task(self._write(), context=Context())  # it is nobody's alone

    @property
    def waiting(self) -> int:
        """How many entries wait for their commit to begin."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._writing and not self._noting and not self._opening.locked() and not self._turn.locked()

    @property
    def _writing(self) -> asyncio.Task[None] | None:
        return self._writer if self._writer and not self._writer.done() else None

    async def close(self) -> None:
        """Wait until nothing waits any more; what is known is noted."""
        if self._writing:
            await asyncio.wait([self._writing], timeout=_PATIENCE_S)
        self._note_if(1)
        if self._noting:
            await asyncio.wait([self._noting])

    async def _write(self) -> None:
        """Commit until nothing waits. One at a time runs."""
        while self._queue:
            await self._others.turn()
            batch = self._queue.take()
            try:
                await self._commit(batch)
            except Exception:  # one that cannot be stored must not take the others with it
                logger.exception("a batch could not be written", extra={"examId": str(self._exam_id)})
                for one in batch:
                    await self._commit_alone(one)
            self._note_if(_NOTE_EVERY)

    async def _commit_alone(self, one: Waiting) -> None:
        try:
            await self._commit([one])
        except Exception as error:  # noqa: BLE001 its caller hears of it
            if not one.future.done():
                one.future.set_exception(error)

    async def _commit(self, batch: list[Waiting]) -> None:
        while (batch := [one for one in batch if not one.future.done()]) or self._unsure:
            try:
                async with self._turn:
                    if self._unsure or self._others:
                        await self._catch_up()
                    if records := self._number(batch):
                        began = asyncio.get_running_loop().time()
                        await self._store(records)
                        self._others.wrote(began)
                        await self._hand_over([record for _, record in records])
                        for one, record in records:
                            one.resolve(record)
                        self._hints.tell("logs", [self._exam_id])
            except PyMongoError as error:
                if is_unavailable(error):
                    await asyncio.sleep(_RETRY_S)
                elif not is_duplicate(error):
                    raise

    async def _insert(self, records: list[tuple[Waiting, Stored]]) -> None:
        documents = [record for _, record in records]
        try:
            if len(documents) == 1:  # the driver's work for it is two thirds of that for a list
                await self._activity.insert_one(documents[0])
            else:
                await self._activity.insert_many(documents, ordered=True)
        except BaseException:
            self._unsure = {one.record_id: one for one, _ in records}
            raise

    def _number(self, batch: list[Waiting]) -> list[tuple[Waiting, Stored]]:
        """The records to insert; a repeat of what is stored is resolved here, one within the batch next time."""
        records: list[tuple[Waiting, Stored]] = []
        taken: set[tuple[object, ...]] = set()
        for one in batch:
            if one.future.done():  # found stored by `_catch_up`, or given up
                continue
            key = one.entry.key
            if key is not None:
                if one.entry in self._known:
                    one.resolve(None)
                    continue
                if key in taken:
                    continue
                taken.add(key)
            records.append((one, record_of(one.entry, one.record_id, self.head + len(records) + 1)))
        return records

    async def _follow(self, askers: list[None]) -> list[None]:
        async with self._turn:
            await self._catch_up()
        self._note_if(_NOTE_EVERY)
        return askers

    async def _catch_up(self) -> None:
        """Read on from the head to the log's end, and resolve what the insert that failed had stored.

        Once it was the end: while others write, there is more after every read, and whoever waits would wait for ever.
        """
        most, ended = IDS_A_QUERY if self._unsure else _PROBE, False
        while not ended:
            records = await read_offsets(self._activity, self._exam_id, self.head, self.head + most)
            # Little by little at first: mostly that is all, and what is handed over stays so where patience ends.
            ended, most = len(records) < most, min(max(IDS_A_QUERY, 2 * most), MAX_READ)
            if records:
                await self._hand_over(records)
            for record in records:
                if record["id"] in self._unsure:
                    self._unsure[record["id"]].resolve(record)
                else:
                    self._others.saw(record["id"])
                    self._known.forget_foreign(record)
        self._unsure = {}

    async def _hand_over(self, records: list[Stored]) -> None:
        """Make `records`, which come right after the head, known here and to the subscribers."""
        for record in records:
            self._known.add(record)
        self.head = records[-1]["offset"]
        for subscriber in self._subscribers:
            try:
                await subscriber(self._exam_id, records)
            except Exception:  # a subscriber's failure is not the log's
                logger.exception("a subscriber of the log failed", extra={"examId": str(self._exam_id)})

    def _note_if(self, news: int) -> None:
        """Note what is known where at least so many records are new, beside the writer."""
        if self._noting is None and self.head - self._noted >= news:
            self._noting = asyncio.create_task(self._note(self._known.note(self.head)))

    async def _note(self, note: Stored) -> None:
        try:
            await self._known.save(note)
        except PyMongoError as error:  # whoever opens the log reads more of it
            logger.warning("what is known of a log is noted later: %s", error)
        finally:
            self._noted = note["offset"]
            self._noting = None
