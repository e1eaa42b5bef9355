"""One record of the log: how an entry is stored, and what its caller is answered."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from models.activity import Entry, severity
from models.database import Stored
from models.errors import Conflict, ProctoringError
from models.offsets import record_id


class Recorded:
    """Where an entry is in the log. `duplicate`: it had been there before."""

    __slots__ = ("duplicate", "record")

    def __init__(self, record: Stored, duplicate: bool) -> None:
        self.record, self.duplicate = record, duplicate

    def ack(self) -> dict[str, Any]:
        """The data of the ack: `{id, offset, duplicate?}`."""
        ack = {"id": self.record["id"], "offset": self.record["offset"]}
        return ack | {"duplicate": True} if self.duplicate else ack


def record_of(entry: Entry, own_id: ObjectId, offset: int) -> Stored:
    """An entry as the log stores it."""
    record = {
        "_id": record_id(entry.exam_id, offset),
        "id": own_id,
        "offset": offset,
        "examId": entry.exam_id,
        "sessionId": entry.session_id,
        "userId": entry.user_id,
        "organisationId": entry.organisation_id,
        "type": entry.type,
        "severity": entry.severity or severity(entry.type, entry.data),
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
    if entry.counted:
        record["counted"] = True
    return record


def answer(entry: Entry, result: Stored | BaseException | None, before: Stored | None) -> Recorded | ProctoringError:
    """What an entry's caller is answered. `result`: the record made of it, an error, or None where it is a repeat of
    `before`.
    """
    if isinstance(result, ProctoringError):
        return result
    if isinstance(result, BaseException):
        raise result
    if result is not None:
        return Recorded(result, duplicate=False)
    if before is None:
        return Conflict("The exam was deleted.")
    # What was erased is a repeat of whatever has its number.
    if not before.get("erased") and any(before[name] != value for name, value in _content(entry).items()):
        return Conflict("This was recorded before, with other content.")
    return Recorded(before, duplicate=True)


def _content(entry: Entry) -> dict[str, Any]:
    """What tells a repeat from another event under the same `seq`."""
    return {"type": entry.type, "data": entry.data, "occurredAt": entry.occurred_at}
