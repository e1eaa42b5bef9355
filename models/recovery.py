"""After a start of the server: what a crash kept from the log is recorded, and what was under way is carried on.

All of it may be done again after another crash in between: the log's guards make each entry once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from bson import ObjectId

from models.activity import Entry
from models.clock import MILLISECOND
from models.database import Database, Stored, find_by_ids, patience
from models.errors import Unavailable
from models.fields import now
from models.lifecycle import LIVE, is_over
from models.log import ActivityLog
from models.orders import Orders
from models.presence import absences
from models.sessions import Sessions
from models.starting import started_entry


async def recover(
    database: Database, sessions: Sessions, log: ActivityLog, orders: Orders, down: timedelta | None
) -> list[Stored]:
    """Before anybody is served; returns the sessions that are not over. One append an exam, whatever its size.

    `down`: for how long there was no server; None where there was none before.
    """
    notes: list[Stored] = await database.starts.find({}).to_list(None)
    started = await find_by_ids(database.sessions, [one for note in notes for one in note["sessions"]])
    entries: dict[ObjectId, list[Entry]] = {}
    for session in started.values():
        entries.setdefault(session["examId"], []).append(started_entry(session))
    left = await _left(database)
    live = [session for session in left if not is_over(session)]
    if down is not None:
        for entry in _restarts(live, down):
            entries.setdefault(entry.exam_id, []).append(entry)
    for session in left:
        for entry in absences(session):
            if not await log.of(entry.exam_id).has(entry):
                entries.setdefault(entry.exam_id, []).append(entry)
    for exam_id, of_exam in entries.items():
        for result in await log.of(exam_id).append(of_exam):
            if isinstance(result, Unavailable):  # another error: the exam was half deleted
                raise result
    for session in left:
        await sessions.settle(session, told=True)
    await orders.recover()
    for note in notes:
        await database.starts.delete_one({"_id": note["_id"]})
    return [session for session in await _left(database) if not is_over(session)]


async def _left(database: Database) -> list[Stored]:
    with patience():
        query = {"$or": [{"status": {"$in": LIVE}}, {"unlogged.0": {"$exists": True}}]}
        found: list[Stored] = await database.sessions.find(query).to_list(None)
    return found


def _restarts(live: Iterable[Stored], down: timedelta) -> list[Entry]:
    """What the log of each exam with sessions says of the restart."""
    of_exam: dict[ObjectId, list[Stored]] = {}
    for session in live:
        of_exam.setdefault(session["examId"], []).append(session)
    return [
        Entry(
            exam_id=exam_id,
            organisation_id=sessions[0]["organisationId"],
            type="server_restarted",
            source="server",
            received_at=now(),
            data={"durationMs": down // MILLISECOND, "sessions": len(sessions)},
        )
        for exam_id, sessions in of_exam.items()
    ]
