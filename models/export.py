"""All that is stored about one person, as one JSON document that is written piece by piece.

Two views. The organisation's ADMIN and the command line get all of it. A student gets what is about it without what the
contract never tells students: severities, verdicts, counts, notes of reviews. Seals are then without their hashes, as a
severity could be guessed from a link. Staff who opened its records are shown by their role, not by their id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, Literal

from bson import ObjectId

from models.activity import ActivityType, Severity, Source
from models.actors import Role
from models.audit import Audit, AuditEntry
from models.chain import Json
from models.command import Command
from models.commands import Commands
from models.database import Database, Stored
from models.fields import Document, Id, Instant, RoleName, now, shape, to_json
from models.heartbeats import Heartbeats
from models.log import ActivityLog
from models.offsets import MAX_READ
from models.seal import seal_view
from models.sealing import Seals
from models.session import ProctoringSession
from models.sessions import Sessions
from models.users import User

FORMAT: Final = "proctoring-export/1"
_ALL: Final = 2**31


class Account(User):
    """Of the password only a salted hash is stored, which is not shown."""

    tokens_valid_from: Instant


class AssignedExam(Document):
    id: Id
    title: str
    duration: int
    starts_at: Instant | None
    ends_at: Instant | None
    extra_minutes: int


class ExportedActivity(Document):
    """`actorName`: the name under which a proctor wrote. `severity`: not in a student's own export."""

    id_is_key = False

    id: Id
    offset: int
    exam_id: Id
    session_id: Id | None
    type: ActivityType
    severity: Severity | None = None
    source: Source
    actor_id: Id | None = None
    actor_name: str | None = None
    client_id: str | None
    seq: int | None
    occurred_at: Instant | None
    received_at: Instant
    late: bool
    data: dict[str, str | int | bool | None]


class ExportedCommand(Command):
    """`actorId`: not in a student's own export."""

    id_is_key = False

    actor_id: Id | None = None


class ExportedSession(Document):
    """`seals`: as a record has them, or, in a student's own export, when what was sealed."""

    session: ProctoringSession
    activities: list[ExportedActivity]
    commands: list[ExportedCommand]
    heartbeats: list[Instant]
    seals: list[dict[str, Any]]


class Look(Document):
    """What staff did with the person's data. `actorId`, `address`: not in a student's own export."""

    at: Instant
    role: RoleName | None
    action: str
    session_id: Id | None
    exam_id: Id | None
    outcome: str
    actor_id: Id | None = None
    address: str | None = None


class Export(Document):
    """`written`: what staff recorded in the organisation's exams; `did`: what the audit log has of them."""

    format: Literal["proctoring-export/1"] = FORMAT
    at: Instant
    user: Account
    exams: list[AssignedExam]
    sessions: list[ExportedSession]
    audit: list[Look]
    did: list[AuditEntry]
    written: list[ExportedActivity]


class Exports:
    """Puts exports together."""

    def __init__(
        self,
        database: Database,
        log: ActivityLog,
        sessions: Sessions,
        heartbeats: Heartbeats,
        commands: Commands,
        seals: Seals,
        audit: Audit,
    ) -> None:
        self._database = database
        self._log = log
        self._sessions = sessions
        self._heartbeats = heartbeats
        self._commands = commands
        self._seals = seals
        self._audit = audit

    async def of(self, user: Stored, *, as_student: bool) -> AsyncIterator[bytes]:
        """An Export, in pieces; nothing of it is asked for before its turn."""
        exams = await self._database.exams.find({"users": user["_id"]}).sort("_id", 1).to_list(None)
        about = await self._audit.about(user["_id"])
        did = await self._audit.by(user["_id"])
        head = {
            "format": FORMAT,
            "at": now(),
            "user": shape(Account, user),
            "exams": [_assigned(exam, user["_id"]) for exam in exams],
            "audit": [_cut(shape(Look, one), as_student, ("actorId", "address")) for one in about],
            "did": [shape(AuditEntry, one) for one in did],
        }
        yield to_json(head)[:-1] + b',"sessions":['
        sessions = await self._database.sessions.find({"userId": user["_id"]}).sort("_id", 1).to_list(None)
        for number, session in enumerate(sessions):
            yield b"," * (number > 0) + to_json(await self._session(session, as_student=as_student))
        yield b'],"written":['
        separator = b""
        if user["role"] != Role.STUDENT or user.get("wasStaff"):
            async for record in self._written(user):
                yield separator + to_json(_activity(record, as_student=as_student))
                separator = b","
        yield b"]}"

    async def _session(self, session: Stored, *, as_student: bool) -> Json:
        exam_id, session_id = session["examId"], session["_id"]
        records = await self._log.read_session(exam_id, session_id, 0, None, _ALL)
        commands = (await self._commands.of(exam_id)).of(session_id)
        seals = await self._seals.of(session_id)
        return {
            "session": self._sessions.view(session, for_student=as_student),
            "activities": [
                _activity(one, as_student=as_student) for one in records if not as_student or one["type"] != "reviewed"
            ],
            "commands": [_cut(shape(ExportedCommand, one), as_student, ("actorId",)) for one in commands],
            "heartbeats": await self._heartbeats.read(session, None, None, _ALL),
            "seals": [_seal(one, last=one is seals[-1], as_student=as_student) for one in seals],
        }

    async def _written(self, user: Stored) -> AsyncIterator[Stored]:
        """What staff recorded; all logs of the organisation are read for it, a part at a time."""
        found = self._database.exams.find({"organisationId": user["organisationId"]}, {"_id": 1})
        for exam_id in [exam["_id"] for exam in await found.to_list(None)]:
            since = 0
            while records := await self._log.read(exam_id, since, since + MAX_READ):
                since = records[-1]["offset"]
                for record in records:
                    if record["actorId"] == user["_id"] and record["source"] == "proctor":
                        yield record


def _assigned(exam: Stored, user_id: ObjectId) -> Json:
    extra = sum(one["extraMinutes"] for one in exam["accommodations"] if one["userId"] == user_id)
    return shape(AssignedExam, exam | {"extraMinutes": extra})


def _activity(record: Stored, *, as_student: bool) -> Json:
    return _cut(shape(ExportedActivity, record), as_student, ("severity", "actorId"))


def _seal(seal: Stored, *, last: bool, as_student: bool) -> Json:
    if not as_student:
        return seal_view(seal, last=last)
    return {name: seal["signed"][name] for name in ("number", "sealedAt", "count", "firstOffset", "lastOffset")}


def _cut(fields: Json, as_student: bool, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in fields.items() if not (as_student and name in names)}
