"""What is answered and pushed over Socket.IO: the shapes that the published contract is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.activity import Activity
from models.command import Command
from models.exams import Exam
from models.fields import Document, Id, Instant
from models.lifecycle import Status
from models.session import ProctoringSession

Milliseconds = Annotated[int, Field(description="milliseconds")]


class Nothing(Document):
    """An empty object."""


class ErrorDetail(Document):
    loc: list[str | int]
    msg: str


class EventError(Document):
    """The error object that REST and Socket.IO share; `retryAfterMs` with `rate_limited`."""

    code: str
    message: str
    details: list[ErrorDetail] = []
    retry_after_ms: Milliseconds = 0


class Recorded(Document):
    """Where an entry is in the log. `duplicate`: it had been there before."""

    id: Id
    offset: int
    duplicate: bool = False


class Author(Document):
    name: str | None


class ChatMessage(Document):
    """What a proctor wrote to a student, or to all."""

    offset: int
    text: str
    from_: Annotated[Author, Field(alias="from")]
    at: Instant


class Started(Document):
    session: ProctoringSession
    exam: Exam
    client_id: str
    last_seq: int
    server_time: Instant
    remaining_ms: Milliseconds
    heartbeat_interval_ms: Milliseconds
    chat: list[ChatMessage]


class HeartbeatAck(Document):
    server_time: Instant
    remaining_ms: Milliseconds
    next_heartbeat_ms: Milliseconds
    status: Status


class Rejected(Document):
    seq: int | None
    error: EventError


class Replayed(Document):
    recorded: int
    duplicates: int
    rejected: list[Rejected]


class Ended(Document):
    session: ProctoringSession


class Draining(Document):
    """The server is about to end: this connection will be closed then, to be made anew with another node."""

    reconnect_in_ms: Milliseconds


class Joined(Document):
    """`activity`: all after `since`; `truncated`: only the oldest of it, join again from `offset`."""

    exam: Exam
    epoch: str
    offset: int
    sessions: list[ProctoringSession]
    activity: list[Activity]
    truncated: bool
    reset: bool


class Commanded(Document):
    commands: list[Command]


class ActivityPush(Document):
    """In offset order; the first after a join continues where its ack ended."""

    exam_id: Id
    items: list[Activity]


class PresencePush(Document):
    """Sessions that changed; of two copies the one with the higher `rev` is newer."""

    exam_id: Id
    items: list[ProctoringSession]


class CommandsPush(Document):
    """Commands that are new, or whose fate changed."""

    exam_id: Id
    items: list[Command]
