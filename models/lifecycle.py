"""What the status of a proctoring session may become: the one table of transitions, and what each changes.

A transition only says what it would change; `models/changes.py` stores that on the condition that the session is still
as it was. So of two that race one wins, and the other is decided again and gets Conflict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from bson import ObjectId

from models.activity import ActivityType
from models.clock import MILLISECOND, outage_ms
from models.database import Stored
from models.errors import Conflict

Status = Literal["WAITING", "ACTIVE", "PAUSED", "SUBMITTED", "TIMED_OUT", "TERMINATED", "DENIED"]

LIVE: Final[tuple[Status, ...]] = ("WAITING", "ACTIVE", "PAUSED")


@dataclass(frozen=True, slots=True)
class Transition:
    """From one of `sources` to `target`, recorded as `activity`."""

    sources: tuple[Status, ...]
    target: Status
    activity: ActivityType


TRANSITIONS: Final[Mapping[str, Transition]] = {
    "admit": Transition(("WAITING",), "ACTIVE", "admitted"),
    "deny": Transition(("WAITING",), "DENIED", "session_ended"),
    "pause": Transition(("ACTIVE",), "PAUSED", "paused"),
    "resume": Transition(("PAUSED",), "ACTIVE", "resumed"),
    "submit": Transition(("ACTIVE", "PAUSED"), "SUBMITTED", "session_ended"),
    "time_out": Transition(LIVE, "TIMED_OUT", "session_ended"),
    "terminate": Transition(LIVE, "TERMINATED", "session_ended"),
    "reinstate": Transition(("SUBMITTED", "TIMED_OUT", "TERMINATED"), "PAUSED", "reinstated"),
}


def is_over(session: Stored) -> bool:
    return session["status"] not in LIVE


def transition(
    session: Stored, name: str, at: datetime, *, actor_id: ObjectId | None = None, reason: str | None = None
) -> dict[str, Any]:
    """What transition `name` changes in `session` at a moment of the server's clock; Conflict where it is not allowed.

    Time that the student is given back goes into the ledger, with who gave it and why.
    """
    rule = TRANSITIONS[name]
    if session.get("erased"):
        raise Conflict("Whose session this was has been erased.")
    if session["status"] not in rule.sources:
        raise Conflict(f"The session is {session['status']}: {name.replace('_', ' ')} is not possible.")
    changes: dict[str, Any] = {"status": rule.target}
    given: list[dict[str, Any]] = []

    def credit(kind: Literal["pause", "outage"], ms: int) -> None:
        if ms > 0:
            given.append(ledger_item(kind, ms, at, actor_id, reason))

    match session["status"]:
        case "ACTIVE":
            credit("outage", outage_ms(session, at))
        case "PAUSED":
            changes["pausedAt"] = None
            if session["activatedAt"]:
                credit("pause", (at - session["pausedAt"]) // MILLISECOND)
        case "WAITING":
            pass
        case _:  # it is over
            changes |= {"endTime": None, "connectivity": "LATE"}  # nobody has been heard of for now
            if session["activatedAt"]:
                credit("pause", (at - session["endTime"]) // MILLISECOND)
    match rule.target:
        case "ACTIVE":
            changes |= {"activatedAt": session["activatedAt"] or at, "runningSince": at}
        case "PAUSED":
            changes["pausedAt"] = at
        case _:
            changes |= {"endTime": at, "connectivity": "CLOSED"}
    if given:
        changes["timeLedger"] = [*session["timeLedger"], *given]
    return changes


def ledger_item(
    kind: Literal["extension", "pause", "outage"], ms: int, at: datetime, actor_id: ObjectId | None, reason: str | None
) -> dict[str, Any]:
    """One entry of a session's ledger of time: `ms` milliseconds more."""
    return {"kind": kind, "ms": ms, "reason": reason, "actorId": actor_id, "at": at}
