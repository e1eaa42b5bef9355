"""What a console shows of a session beside its state. All of it follows from the log and is kept up by the record."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from models.activity import TECHNICAL, Severity
from models.database import Stored
from models.fields import Document, Instant

Verdict = Literal["UNREVIEWED", "CLEARED", "SUSPICIOUS", "VIOLATION"]

SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
_RECENTLY: Final = timedelta(minutes=10)


class Counts(Document):
    """How many activities of each severity; `heartbeat_missing` and `heartbeat_resumed` count against nobody."""

    info: int
    low: int
    medium: int
    high: int
    critical: int


class Hand(Document):
    """A raised hand."""

    raised_at: Instant
    text: str | None


class Summary:
    """Of one session. `offset`: of its last record. `changes`: how often hand or verdict did; part of its `rev`.
    `raised_at`: the offset of the record of its hand, by which that is noted.
    """

    __slots__ = (
        "_counts", "_hidden_at", "changes", "hand", "hidden", "last_activity_at", "offset", "raised_at", "verdict"
    )  # fmt: skip

    def __init__(self) -> None:
        self._counts = [0] * len(SEVERITIES)
        self._hidden_at: deque[datetime] = deque()
        self.offset = 0
        self.last_activity_at: datetime | None = None
        self.hand: dict[str, Any] | None = None
        self.raised_at = 0
        self.verdict: Verdict = "UNREVIEWED"
        self.changes = 0
        self.hidden = 0  # hidden tabs that count towards the exam's limit

    @property
    def counts(self) -> dict[str, int]:
        return dict(zip(SEVERITIES, self._counts, strict=True))

    def add(self, record: Stored) -> None:
        """Take one record of the session into account."""
        kind, at = record["type"], record["receivedAt"]
        self.offset, self.last_activity_at = record["offset"], at
        if kind not in TECHNICAL:
            self._counts[SEVERITIES.index(record["severity"])] += 1
        if record.get("counted"):
            self.hidden += 1
            self._hidden_at.append(at)
            self._forget(at)
        elif kind == "hand_raised":
            self.raise_hand(record)
            self.changes += 1
        elif kind == "hand_lowered":
            self.hand = None
            self.changes += 1
        elif kind == "reviewed":
            self.verdict = record["data"]["verdict"]
            self.changes += 1

    def raise_hand(self, record: Stored) -> None:
        """Show the hand that was raised by this record."""
        self.hand = {"raisedAt": record["receivedAt"], "text": record["data"].get("text")}
        self.raised_at = record["offset"]

    def erase(self) -> None:
        """Forget what was said with the hand."""
        if self.hand:
            self.hand = self.hand | {"text": None}

    def hidden_recently(self, at: datetime) -> int:
        """How many of the hidden tabs that count were within ten minutes before `at`."""
        self._forget(at)
        return len(self._hidden_at)

    def _forget(self, at: datetime) -> None:
        while self._hidden_at and self._hidden_at[0] <= at - _RECENTLY:
            self._hidden_at.popleft()

    def note(self) -> list[Any]:
        """All of it, for `noted`, but the hand: what was said with it stands in the log alone."""
        return [
            list(self._counts),  # what is noted is of this moment, while records go on coming
            self.offset,
            self.last_activity_at,
            self.verdict,
            self.changes,
            self.hidden,
            list(self._hidden_at),
        ]

    @classmethod
    def noted(cls, note: Sequence[Any]) -> Summary:
        summary = cls()
        (
            summary._counts,
            summary.offset,
            summary.last_activity_at,
            summary.verdict,
            summary.changes,
            summary.hidden,
            hidden_at,
        ) = note
        summary._hidden_at.extend(hidden_at)
        return summary
