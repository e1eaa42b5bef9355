"""The server's clock: when a session's time is up, and what is left of it. One formula, from the session alone.

`deadline = min(activatedAt + allowed, endsAt) + Σ timeLedger`. What an exam allows one student (its duration and the
student's accommodation, the exam's end, how much of an outage is given back) is kept with the session as `terms`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from bson import ObjectId

from models.database import Stored

MILLISECOND: Final = timedelta(milliseconds=1)
_MS_A_MINUTE: Final = 60_000


def terms_of(exam: Stored, user_id: ObjectId) -> dict[str, Any]:
    """What `exam` allows this student: `{allowedMs, endsAt, outageCreditMs}`."""
    extra = sum(one["extraMinutes"] for one in exam["accommodations"] if one["userId"] == user_id)
    return {
        "allowedMs": (exam["duration"] + extra) * _MS_A_MINUTE,
        "endsAt": exam["endsAt"],
        "outageCreditMs": exam["policy"]["outageCreditMaxMinutes"] * _MS_A_MINUTE,
    }


def deadline(session: Stored) -> datetime | None:
    """When its time is up; None while it waits or is paused, and where it never ran."""
    if session["status"] in ("WAITING", "PAUSED") or session["activatedAt"] is None:
        return None
    return _end(session, session["activatedAt"])


def times_out_at(session: Stored) -> datetime | None:
    """When the clock ends it if nothing happens before; None for never. While the student is MISSING the clock stands
    still for as long as the exam's policy gives outages back.
    """
    if session["status"] == "WAITING":
        ends_at: datetime | None = session["terms"]["endsAt"]
        return ends_at
    if session["status"] != "ACTIVE":
        return None
    end = _end(session, session["activatedAt"])
    began = _outage_since(session)
    return end if began is None or began >= end else end + _credit_left(session) * MILLISECOND


def remaining_ms(session: Stored, at: datetime) -> int:
    """What is left of its time at a moment of the server's clock, in milliseconds; 0 when it is over."""
    match session["status"]:
        case "ACTIVE":
            left: timedelta = _end(session, session["activatedAt"]) - at + outage_ms(session, at) * MILLISECOND
        case "PAUSED" if session["activatedAt"]:
            left = _end(session, session["activatedAt"]) - session["pausedAt"]
        case "WAITING" | "PAUSED":  # as if it began now
            left = _end(session, at) - at
        case _:
            return 0
    return max(0, left // MILLISECOND)


def outage_ms(session: Stored, at: datetime) -> int:
    """What the outage that an ACTIVE session is in has earned it so far; 0 where it is in none."""
    began = _outage_since(session)
    return 0 if began is None else max(0, min((at - began) // MILLISECOND, _credit_left(session)))


def _outage_since(session: Stored) -> datetime | None:
    if session["connectivity"] != "MISSING" or session["missingSince"] is None:
        return None
    began: datetime = max(session["missingSince"], session["runningSince"])
    return began


def _credit_left(session: Stored) -> int:
    given: int = sum(one["ms"] for one in session["timeLedger"] if one["kind"] == "outage")
    most: int = session["terms"]["outageCreditMs"]
    return max(0, most - given)


def _end(session: Stored, began: datetime) -> datetime:
    """The end of a session that began to run at this moment."""
    end: datetime = began + session["terms"]["allowedMs"] * MILLISECOND
    if session["terms"]["endsAt"]:
        end = min(end, session["terms"]["endsAt"])
    added: int = sum(one["ms"] for one in session["timeLedger"])
    return end + added * MILLISECOND
