"""Who is told what: the log's batches and the sessions' changes, to consoles and students.

Consoles of an exam are one room of /proctor. A console that is joining is in no room yet; what is committed meanwhile
is collected for it, so that its first push continues where its ack ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import socketio
from bson import ObjectId

from handlers.connections import Connections
from models import activity
from models.database import Stored
from models.sessions import Sessions


def console_room(exam_id: ObjectId) -> str:
    """/proctor: the consoles that watch an exam."""
    return f"exam:{exam_id}"


def students_room(exam_id: ObjectId) -> str:
    """/exam: all students of an exam."""
    return f"exam:{exam_id}"


def session_room(session_id: ObjectId) -> str:
    """/exam: the connection of one session."""
    return f"session:{session_id}"


@dataclass(slots=True, eq=False)
class Joining:
    """What happened while a console was joining."""

    activity: list[dict[str, Any]] = field(default_factory=list)
    sessions: dict[ObjectId, dict[str, Any]] = field(default_factory=dict)


class Broadcast:
    """Subscribes to the log and to the sessions."""

    def __init__(self, server: socketio.AsyncServer, connections: Connections, sessions: Sessions) -> None:
        self._server = server
        self._connections = connections
        self._sessions = sessions
        self._joining: dict[ObjectId, set[Joining]] = {}

    @contextmanager
    def joining(self, exam_id: ObjectId) -> Iterator[Joining]:
        """Collect what is committed in an exam within this block."""
        collected = Joining()
        of_exam = self._joining.setdefault(exam_id, set())
        of_exam.add(collected)
        try:
            yield collected
        finally:
            of_exam.discard(collected)
            if not of_exam:
                self._joining.pop(exam_id, None)

    async def activity(self, exam_id: ObjectId, records: list[Stored]) -> None:
        """The log's subscriber: one message a batch. Collects before it first awaits, as `joining` relies on."""
        items = [activity.view(record) for record in records]
        for collected in self._joining.get(exam_id, ()):
            collected.activity += items
        await self._to_consoles("activity", exam_id, items)
        for record in records:
            if record["type"] == "chat" and record["source"] == "proctor":
                session_id = record["sessionId"]
                room = session_room(session_id) if session_id else students_room(exam_id)
                await self._server.emit("chat", chat_view(record), room=room, namespace="/exam")

    async def session(self, session: Stored) -> None:
        """The sessions' subscriber: to the consoles, and a new status to its student."""
        bound = self._connections.bound(session["_id"])
        new_status = bound is not None and bound.session is not None and bound.session["status"] != session["status"]
        self._connections.refresh(session)
        view = self._sessions.view(session)
        for collected in self._joining.get(session["examId"], ()):
            known = collected.sessions.get(session["_id"])
            if known is None or known["rev"] < view["rev"]:
                collected.sessions[session["_id"]] = view
        await self._to_consoles("presence", session["examId"], [view])
        if new_status:
            await self._server.emit("session", view, room=session_room(session["_id"]), namespace="/exam")

    async def _to_consoles(self, event: str, exam_id: ObjectId, items: list[dict[str, Any]]) -> None:
        message = {"examId": exam_id, "items": items}
        await self._server.emit(event, message, room=console_room(exam_id), namespace="/proctor")


def chat_view(record: Stored) -> dict[str, Any]:
    """What a proctor wrote, as a student sees it: `{offset, text, from, at}`."""
    return {
        "offset": record["offset"],
        "text": record["data"]["text"],
        "from": {"name": record.get("actorName")},
        "at": record["receivedAt"],
    }
