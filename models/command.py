"""A command: what one student is told that was decided about its session, and how far it got."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal

from bson import ObjectId

from models.database import Stored
from models.fields import Document, Id, Instant

Action = Literal["admit", "deny", "warn", "pause", "resume", "extend", "terminate", "reinstate"]
Fate = Literal["QUEUED", "DELIVERED", "ACKNOWLEDGED", "EXPIRED"]

ENDING: Final = frozenset({"deny", "terminate"})
KEPT: Final = timedelta(hours=24)
PENDING: Final = frozenset({"QUEUED", "DELIVERED"})
_STAMPS: Final = {"DELIVERED": "deliveredAt", "ACKNOWLEDGED": "acknowledgedAt"}


class Command(Document):
    """`fate`: QUEUED, DELIVERED (sent to a live connection), then ACKNOWLEDGED by the client, or EXPIRED."""

    id: Id
    exam_id: Id
    session_id: Id
    action: Action
    reason: str | None
    text: str | None
    minutes: int | None
    actor_id: Id | None
    fate: Fate
    created_at: Instant
    delivered_at: Instant | None
    acknowledged_at: Instant | None
    expires_at: Instant


def command_of(order: Stored, command_id: ObjectId, session_id: ObjectId) -> dict[str, Any]:
    """The Command that an order is for one session, before anybody was told."""
    return {
        "id": command_id,
        "examId": order["examId"],
        "sessionId": session_id,
        "action": order["action"],
        "reason": order["reason"],
        "text": order["text"],
        "minutes": order["minutes"],
        "actorId": order["actorId"],
        "fate": "QUEUED",
        "createdAt": order["at"],
        "deliveredAt": None,
        "acknowledgedAt": None,
        "expiresAt": order["at"] + KEPT,
    }


def meet(command: dict[str, Any], fate: str, at: datetime) -> bool:
    """Let a command meet its fate; whether that is one step on from where it was."""
    if command["fate"] not in PENDING or command["fate"] == fate:
        return False
    command["fate"] = fate
    if fate in _STAMPS:
        command[_STAMPS[fate]] = at
    return True
