"""What a process knows of an exam's log without asking: which numbers are stored, and what proctors wrote.

It is known by session, for those that were taken up: read once, or new and therefore empty. From then on whoever
appends hands over what is committed, and nobody appends who has not seen everything before; so it is enough to tell a
repeat without a unique index, and to give a student what it was written without a query.
"""

from __future__ import annotations

from collections import defaultdict

from bson import ObjectId

from models.database import Collection, Stored
from models.seqs import Seqs

Source = tuple[ObjectId | None, str]  # what numbers its entries: a session's client, or a guard of its own


class Known:
    """By session; None stands for what concerns the whole exam."""

    def __init__(self, activity: Collection, exam_id: ObjectId) -> None:
        self._activity = activity
        self._exam_id = exam_id
        self._seqs: defaultdict[Source, Seqs] = defaultdict(Seqs)
        self._chat: dict[ObjectId | None, dict[int, Stored]] = {}
        self._complete: set[ObjectId | None] = set()

    def begin(self, session_id: ObjectId) -> None:
        """Take up a session that has just been made, of which nothing is stored but what `add` was given."""
        self._chat.setdefault(session_id, {})
        self._complete.add(session_id)

    async def take_up(self, session_id: ObjectId | None, *, again: bool = False) -> None:
        """Read what is stored of a session, once; `again`: also where it was read."""
        if again or session_id not in self._complete:
            # Registered before the read, so that what is committed meanwhile is not missed.
            self._chat.setdefault(session_id, {})
            async for record in self._activity.find({"examId": self._exam_id, "sessionId": session_id}):
                self.add(record)
            self._complete.add(session_id)

    def add(self, record: Stored) -> None:
        """Remember a stored record, where its session was taken up."""
        session_id = record["sessionId"]
        if session_id not in self._chat:
            return
        guard = record.get("guard") or record["clientId"]
        number = number_of(record, guard)
        if number is not None:
            self._seqs[session_id, guard].add(number)
        if record["type"] == "chat" and record["source"] == "proctor":
            self._chat[session_id][record["offset"]] = record

    def seqs(self, source: Source) -> Seqs:
        """The numbers stored of a source whose session was taken up."""
        return self._seqs[source]

    def chat(self, session_id: ObjectId, since: int, limit: int) -> list[Stored]:
        """The latest that proctors wrote to a session, or to all, after `since`, in order."""
        written = {**self._chat.get(None, {}), **self._chat.get(session_id, {})}
        return [written[offset] for offset in sorted(written) if offset > since][-limit:]


def number_of(record: Stored, guard: str) -> int | None:
    """A record's number by a guard; None where it has none by that."""
    if record.get("guard") is not None:
        return 1 if record["guard"] == guard else None
    return record["seq"] if record["clientId"] == guard else None
