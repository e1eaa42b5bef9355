"""One proctoring session: its shape on the wire, and what is recorded of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypedDict, Unpack

from bson import ObjectId
from pydantic import Field

from models.activity import Entry, Severity, Source
from models.clock import deadline, remaining_ms
from models.database import Stored
from models.fields import Document, Id, Instant, now, shape
from models.lifecycle import Status, is_over
from models.organisations import OrganisationName
from models.summary import Counts, Hand, Summary, Verdict
from models.users import ExamTitle

Connectivity = Literal["ONLINE", "LATE", "MISSING", "CLOSED"]


class Guard(TypedDict, total=False):
    """What tells a repeat, what the client said of the time, what is special; see Entry."""

    client_id: str | None
    seq: int | None
    once: str | None
    occurred_at: datetime | None
    late: bool
    actor_name: str | None
    severity: Severity | None
    counted: bool


REPLAY_AFTER_END: Final = timedelta(hours=24)


class UserName(Document):
    """A user as others show it."""

    id: Id
    name: str


class LedgerItem(Document):
    """Time that was given back or added, by whom (null: the server) and why."""

    kind: Literal["extension", "pause", "outage"]
    ms: Annotated[int, Field(description="milliseconds")]
    reason: str | None
    actor_id: Id | None
    at: Instant


class ProctoringSession(Document):
    """`counts` and `verdict` are for consoles: a student is not told."""

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
    activated_at: Instant | None
    deadline: Instant | None
    time_ledger: list[LedgerItem]
    remaining_ms: Annotated[int, Field(description="milliseconds")]
    hand: Hand | None
    last_activity_at: Instant | None
    verdict: Verdict | None = None
    counts: Counts | None = None
    created_at: Instant
    updated_at: Instant


class ProctoringSessionRecord(ProctoringSession):
    """A proctoring session read by id."""

    exam: ExamTitle | None = None
    organisation: OrganisationName | None = None


def view(
    session: Stored, summary: Summary, last_heartbeat_at: datetime | None, *, for_student: bool = False
) -> dict[str, Any]:
    """A ProctoringSession. `last_heartbeat_at`: what is known of it beyond what is stored."""
    answer = shape(ProctoringSession, session)
    answer["user"] = shape(UserName, session["user"])
    answer["rev"] += summary.changes
    answer["lastHeartbeatAt"] = last_heartbeat_at or session["lastHeartbeatAt"]
    answer["deadline"] = deadline(session)
    answer["remainingMs"] = remaining_ms(session, now())
    answer["hand"] = None if is_over(session) else summary.hand
    answer["lastActivityAt"] = summary.last_activity_at
    if not for_student:
        answer["verdict"] = summary.verdict
        answer["counts"] = summary.counts
    return answer


class Holder(TypedDict):
    """Where there are several nodes: which one hears of a session, and which client is connected there."""

    node: str
    clientId: str | None


def node_of(session: Stored) -> str | None:
    """The node that hears of a session; None where none is known to."""
    holder: Holder | None = session.get("holder")
    return holder["node"] if holder else None


def entry_of(
    session: Stored,
    type_: str,
    source: Source,
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
