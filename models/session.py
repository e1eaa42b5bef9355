"""One proctoring session: its shape on the wire, what is left of its time, what is recorded of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypedDict, Unpack

from bson import ObjectId

from models.activity import Entry
from models.database import Stored
from models.fields import Document, Id, Instant, now, shape
from models.organisations import OrganisationName
from models.users import ExamTitle

Status = Literal["ACTIVE", "SUBMITTED", "TERMINATED"]
Connectivity = Literal["ONLINE", "MISSING", "CLOSED"]


class Guard(TypedDict, total=False):
    """What tells a repeat, and what the client said of the time; see Entry."""

    client_id: str | None
    seq: int | None
    once: str | None
    occurred_at: datetime | None
    late: bool
    actor_name: str | None


_MILLISECOND: Final = timedelta(milliseconds=1)
REPLAY_AFTER_END: Final = timedelta(hours=24)


class UserName(Document):
    """A user as others show it."""

    id: Id
    name: str


class ProctoringSession(Document):
    id: Id
    rev: int
    status: Status
    connectivity: Connectivity
    start_time: Instant
    end_time: Instant | None
    exam_id: Id
    user_id: Id
    organisation_id: Id
    last_heartbeat_at: Instant | None
    user: UserName
    created_at: Instant
    updated_at: Instant


class ProctoringSessionRecord(ProctoringSession):
    """A proctoring session read by id."""

    exam: ExamTitle | None = None
    organisation: OrganisationName | None = None


def view(session: Stored, last_heartbeat_at: datetime | None = None) -> dict[str, Any]:
    """A ProctoringSession. `last_heartbeat_at`: what is known of it beyond what is stored."""
    answer = shape(ProctoringSession, session)
    answer["user"] = shape(UserName, session["user"])
    answer["lastHeartbeatAt"] = last_heartbeat_at or session["lastHeartbeatAt"]
    return answer


def is_over(session: Stored) -> bool:
    return session["status"] in ("SUBMITTED", "TERMINATED")


def remaining_ms(session: Stored, exam: Stored, at: datetime) -> int:
    """What is left of the exam's time for this session at a moment of the server's clock; 0 when it is over."""
    if is_over(session):
        return 0
    deadline: datetime = session["startTime"] + timedelta(minutes=exam["duration"])
    if exam["endsAt"]:
        deadline = min(deadline, exam["endsAt"])
    return max(0, (deadline - at) // _MILLISECOND)


def entry_of(
    session: Stored,
    type_: str,
    source: Literal["client", "server", "proctor"],
    data: dict[str, Any],
    *,
    actor_id: ObjectId | None,
    received_at: datetime | None = None,
    **guard: Unpack[Guard],
) -> Entry:
    """The log's entry for what happened to a session."""
    return Entry(
        exam_id=session["examId"],
        organisation_id=session["organisationId"],
        session_id=session["_id"],
        user_id=session["userId"],
        type=type_,
        source=source,
        actor_id=actor_id,
        received_at=received_at or now(),
        data=data,
        **guard,
    )
