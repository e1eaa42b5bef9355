"""What can happen in an exam: the types of activity, the data that each carries, how severe it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from bson import ObjectId
from pydantic import Field

from models.fields import Document, Id, Instant, Payload, shape

DurationMs = Annotated[int, Field(ge=0, le=2**53 - 1, description="milliseconds")]
Pixels = Annotated[int, Field(ge=0, le=100_000)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
# Each type of the contract; `severity` and REPORTED say more of them.
ActivityType = Literal[
    "tab_change",
    "window_blur",
    "window_focus",
    "fullscreen_exit",
    "fullscreen_enter",
    "copy",
    "cut",
    "paste",
    "print",
    "page_reload",
    "network_lost",
    "network_restored",
    "right_click",
    "resize",
    "blocked_shortcut",
    "multiple_displays",
    "devtools_suspected",
    "chat",
    "session_started",
    "session_ended",
    "connected",
    "disconnected",
    "second_connection",
    "heartbeat_missing",
    "heartbeat_resumed",
    "server_restarted",
    "admitted",
    "paused",
    "resumed",
    "time_added",
    "warned",
    "reinstated",
    "hand_raised",
    "hand_lowered",
    "reviewed",
]
Source = Literal["client", "server", "proctor"]
Severity = Literal["info", "low", "medium", "high", "critical"]

_ENTRY_BYTES: Final = 1000
_LONG_HIDDEN_MS: Final = 30_000
_LONG_BLUR_MS: Final = 2_000


class Activity(Document):
    """One record of an exam's log, as a console sees it."""

    id_is_key = False  # the key is made of exam and offset

    id: Id
    offset: int
    exam_id: Id
    session_id: Id | None
    user_id: Id | None
    organisation_id: Id
    type: ActivityType
    severity: Severity
    source: Source
    actor_id: Id | None
    client_id: str | None
    seq: int | None
    occurred_at: Instant | None
    received_at: Instant
    late: bool
    data: dict[str, str | int | bool | None]


class ReportedActivity(Document):
    """An activity as the student who reported it sees it: without severity."""

    id_is_key = False

    id: Id
    offset: int
    exam_id: Id
    session_id: Id
    type: ActivityType
    seq: int | None
    occurred_at: Instant | None
    received_at: Instant
    late: bool
    data: dict[str, str | int | bool | None]


class NoData(Payload):
    """An activity that says all by its type."""


class Lasting(Payload):
    """`duration_ms`: for how long it had been the other way."""

    duration_ms: DurationMs | None = None


class Visibility(Lasting):
    hidden: bool = True


class Place(Payload):
    """Which key, or which size of the window."""

    key: Annotated[str, Field(max_length=100)] | None = None
    width: Pixels | None = None
    height: Pixels | None = None


class ChatText(Payload):
    text: Text


# What the exam client may report, and the data that each type takes.
REPORTED: Final[dict[str, type[Payload]]] = {
    "tab_change": Visibility,
    "window_blur": Lasting,
    "window_focus": Lasting,
    "fullscreen_exit": Lasting,
    "fullscreen_enter": Lasting,
    "copy": Lasting,
    "cut": Lasting,
    "paste": Lasting,
    "print": Lasting,
    "page_reload": Lasting,
    "network_lost": Lasting,
    "network_restored": Lasting,
    "right_click": Place,
    "resize": Place,
    "blocked_shortcut": Place,
    "multiple_displays": NoData,
    "devtools_suspected": NoData,
    "chat": ChatText,
}

_SEVERITY: Final[dict[str, Severity]] = {
    "window_blur": "low",
    "fullscreen_exit": "medium",
    "copy": "medium",
    "cut": "medium",
    "paste": "medium",
    "print": "medium",
    "page_reload": "medium",
    "network_lost": "medium",
    "right_click": "low",
    "resize": "low",
    "blocked_shortcut": "low",
    "multiple_displays": "high",
    "devtools_suspected": "high",
    "second_connection": "critical",
    "heartbeat_missing": "high",
}
# What happened to the technology, not to the student: counted against nobody.
TECHNICAL: Final = frozenset({"heartbeat_missing", "heartbeat_resumed"})


def severity(activity_type: str, data: dict[str, Any]) -> Severity:
    """How severe an activity is, by the table of the contract."""
    duration = data.get("durationMs") or 0
    if activity_type == "tab_change":
        if data["hidden"]:
            return "medium"
        return "high" if duration > _LONG_HIDDEN_MS else "info"
    if activity_type == "window_focus":
        return "medium" if duration > _LONG_BLUR_MS else "info"
    return _SEVERITY.get(activity_type, "info")


def view(record: dict[str, Any]) -> dict[str, Any]:
    """A stored record as an Activity."""
    return shape(Activity, record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to be recorded; the log adds id, offset and severity.

    An entry with the same session, `client_id` and `seq` is recorded once, where both are given; one without them
    that has a `once`, once with that. `actor_name` is kept for chat, so that a student can be told who wrote.
    `severity`: where it is not what the table says. `counted`: a hidden tab that counts towards the exam's limit.
    """

    exam_id: ObjectId
    organisation_id: ObjectId
    type: str
    source: Source
    received_at: datetime
    session_id: ObjectId | None = None
    user_id: ObjectId | None = None
    actor_id: ObjectId | None = None
    actor_name: str | None = None
    client_id: str | None = None
    seq: int | None = None
    once: str | None = None
    occurred_at: datetime | None = None
    late: bool = False
    severity: Severity | None = None
    counted: bool = False
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...] | None:
        """What tells a repeat of this entry; None where nothing does."""
        if self.once is not None:
            return self.session_id, self.once
        return None if self.client_id is None or self.seq is None else (self.session_id, self.client_id, self.seq)

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        return _ENTRY_BYTES + sum(len(value) for value in self.data.values() if isinstance(value, str))
