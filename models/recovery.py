"""After a start of the server: nobody is connected yet, and what a crash kept from the log is recorded.

All of it may be done again after another crash in between: the log's guards make each entry once.
"""

from __future__ import annotations

import asyncio

from bson import ObjectId

from models.activity import Entry
from models.database import Database, Stored, find_by_ids, patience
from models.errors import Unavailable
from models.log import ActivityLog
from models.session import entry_of
from models.sessions import Sessions
from models.starting import started_entry


async def recover(database: Database, sessions: Sessions, log: ActivityLog) -> None:
    """Before anybody is served. One append an exam, whatever the number of its sessions."""
    notes: list[Stored] = await database.starts.find({}).to_list(None)
    started = await find_by_ids(database.sessions, [one for note in notes for one in note["sessions"]])
    entries: dict[ObjectId, list[Entry]] = {}
    for session in started.values():
        entries.setdefault(session["examId"], []).append(started_entry(session))
    with patience():
        query = {"$or": [{"connectivity": "ONLINE"}, {"unlogged": {"$exists": True}}]}
        left: list[Stored] = await database.sessions.find(query).to_list(None)
    online = [session for session in left if session["connectivity"] == "ONLINE"]
    for session in online:
        data, once = {"reason": "server_restart"}, f"restart:{session['rev']}"
        entry = entry_of(session, "disconnected", "server", data, actor_id=None, once=once)
        entries.setdefault(session["examId"], []).append(entry)
    for exam_id, of_exam in entries.items():
        for result in await log.of(exam_id).append(of_exam):
            if isinstance(result, Unavailable):  # another error: the exam was half deleted
                raise result
    for session in left:
        await sessions.settle(session)
    await asyncio.gather(*(sessions.set_connectivity(session, "MISSING") for session in online))
    for note in notes:
        await database.starts.delete_one({"_id": note["_id"]})
