"""The activity log: everything that happens in exams, except heartbeats, as one ordered log an exam."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from bson import ObjectId

from models.activity import Entry
from models.database import Database, Stored
from models.errors import ProctoringError
from models.exam_log import ExamLog, Subscriber
from models.forgetting import Gone
from models.hints import Hints
from models.offsets import read_offsets
from models.records import Recorded

_REMEMBERED_S: Final = 3600.0  # after its last use


class ActivityLog:
    """All exams' logs. `subscribers` are called with each committed batch, in offset order, before the acks."""

    def __init__(self, database: Database, hints: Hints | None = None) -> None:
        self._database = database
        self._hints = hints or Hints()
        self._logs: dict[ObjectId, ExamLog] = {}
        self._used: dict[ObjectId, float] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    def of(self, exam_id: ObjectId) -> ExamLog:
        """An exam's log; not to be kept for longer than a request takes."""
        log = self._logs.get(exam_id)
        time = asyncio.get_running_loop().time()
        if log is None:
            self._forget_unused(time - _REMEMBERED_S)
            log = self._logs[exam_id] = ExamLog(self._database, exam_id, self._subscribers, self._hints)
        self._used[exam_id] = time
        return log

    @property
    def waiting(self) -> int:
        """How many entries wait for their commit to begin, of all exams."""
        return sum(log.waiting for log in self._logs.values())

    async def follow(self, exam_ids: Iterable[ObjectId]) -> None:
        """See what other nodes stored in those of these logs that are open here."""
        await asyncio.gather(*(self._logs[one].fresh() for one in set(exam_ids) if one in self._logs))

    async def behind(self, exam_ids: Iterable[ObjectId]) -> dict[ObjectId, int]:
        """The heads of those of these logs that have more than this process knows of."""
        heads = {one: self._logs[one].head for one in set(exam_ids) if one in self._logs}
        return {one: head for one, head in heads.items() if await self.read(one, head, head + 1)}

    def _forget_unused(self, since: float) -> None:
        """Drop the logs that nobody used since this moment; they are opened again when somebody does."""
        for exam_id in [one for one, used in self._used.items() if used < since and self._logs[one].idle]:
            task = asyncio.create_task(self._logs[exam_id].close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            self.forget(exam_id)

    async def close(self) -> None:
        """Wait until what is being written is written, or given up."""
        await asyncio.gather(*(log.close() for log in self._logs.values()), *self._closing)

    def forget(self, exam_id: ObjectId) -> None:
        """Drop what is remembered of an exam that was deleted."""
        self._logs.pop(exam_id, None)
        self._used.pop(exam_id, None)

    async def erased(self, gone: Gone) -> None:
        """Forget what was erased in an exam's log."""
        if gone.exam_id in self._logs:
            self._logs[gone.exam_id].erased(gone)

    async def delete(self, exam_id: ObjectId) -> None:
        """Delete an exam's log. After a failure it can be deleted again."""
        await self.of(exam_id).close()
        self.forget(exam_id)
        log = ExamLog(self._database, exam_id, ())  # opened anew, it has seen what other processes wrote
        await log.open()
        await self._database.log_notes.delete_one({"_id": exam_id})
        await log.places.delete()

    async def append(self, entry: Entry) -> Recorded:
        """Record one entry; raises what ExamLog.append answers in its place."""
        (result,) = await self.of(entry.exam_id).append([entry])
        if isinstance(result, ProctoringError):
            raise result
        return result

    async def read(self, exam_id: ObjectId, since: int, until: int) -> list[Stored]:
        """The records of an exam with `since < offset <= until`, in order."""
        return await read_offsets(self._database.activity, exam_id, since, until)

    async def read_session(
        self, exam_id: ObjectId, session_id: ObjectId, since: int, activity_type: str | None, limit: int
    ) -> list[Stored]:
        """One session's records after `since`, in offset order."""
        log, found = self.of(exam_id), list[Stored]()
        await log.open()
        async for record in log.places.records(session_id, since):
            if activity_type in (None, record["type"]):
                found.append(record)
                if len(found) == limit:
                    break
        return found
