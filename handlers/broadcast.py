"""Who is told what: the log's batches and the sessions' changes, to consoles and students.

Consoles of an exam are one room of /proctor. A console that is joining is in no room yet. What is committed meanwhile
is among the recent records before anybody is pushed it, and sessions that change are collected, so that its first push
continues where its ack ended. What consoles are told is encoded once, however many they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import socketio
from bson import ObjectId

from handlers.connections import Connections
from handlers.recent import Recent
from models import activity
from models.database import Stored
from models.fields import to_json
from models.forgetting import Gone
from models.sessions import Sessions

Encoded = tuple[int, int, orjson.Fragment]  # a session's `rev`, the offset of its last record, the session as JSON


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
    """What consoles that join at the same time share: one read of the sessions, and what changes from its start on."""

    read: asyncio.Task[dict[ObjectId, Stored]]
    changed: dict[ObjectId, Stored] = field(default_factory=dict)
    consoles: int = 0
    encoded: dict[ObjectId, Encoded] = field(default_factory=dict)

    def sessions(self) -> list[Stored]:
        """The sessions as they are now, once `read` is done."""
        sessions = dict(self.read.result())
        _keep_newest(sessions, self.changed)
        return list(sessions.values())


class Broadcast:
    """Subscribes to the log and to the sessions."""

    def __init__(self, server: socketio.AsyncServer, connections: Connections, sessions: Sessions) -> None:
        self._server = server
        self._connections = connections
        self._sessions = sessions
        self._joining: dict[ObjectId, list[Joining]] = {}
        self.recent = Recent()

    @contextmanager
    def joining(self, exam_id: ObjectId) -> Iterator[Joining]:
        """Read an exam's sessions, with whoever else is waiting for them, and collect changes within this block."""
        of_exam = self._joining.setdefault(exam_id, [])
        if not of_exam or of_exam[-1].read.done():
            of_exam.append(Joining(asyncio.create_task(self._read(exam_id))))
        joining = of_exam[-1]
        joining.consoles += 1
        try:
            yield joining
        finally:
            joining.consoles -= 1
            if not joining.consoles:
                joining.read.cancel()
                of_exam.remove(joining)
                if not of_exam:
                    self._joining.pop(exam_id, None)

    async def _read(self, exam_id: ObjectId) -> dict[ObjectId, Stored]:
        return {session["_id"]: session for session in await self._sessions.of_exam(exam_id)}

    def joined(self, joining: Joining) -> list[orjson.Fragment]:
        """The sessions as they are at the log's head, as JSON; encoded once for all who join at the same time."""
        found = []
        for session in joining.sessions():
            key, upto = session["_id"], self._sessions.upto(session)
            known = joining.encoded.get(key)
            if known is None or known[:2] != (session["rev"], upto):
                known = joining.encoded[key] = session["rev"], upto, self._encoded(session)
            found.append(known[2])
        return found

    def _encoded(self, session: Stored) -> orjson.Fragment:
        return orjson.Fragment(to_json(self._sessions.view(session)))

    async def activity(self, exam_id: ObjectId, records: list[Stored]) -> None:
        """The log's subscriber: one message a batch. They are recent before this first awaits, as a join relies on."""
        items = [to_json(activity.view(record)) for record in records]
        self.recent.add(exam_id, records[0]["offset"], items)
        await self._to_consoles("activity", exam_id, [orjson.Fragment(item) for item in items])
        for record in records:
            if record["type"] == "chat" and record["source"] == "proctor":
                session_id = record["sessionId"]
                room = session_room(session_id) if session_id else students_room(exam_id)
                await self._server.emit("chat", chat_view(record), room=room, namespace="/exam")

    async def sessions(self, sessions: list[Stored]) -> None:
        """The sessions' subscriber: to the consoles, one message an exam, and to a student what concerns it."""
        await self._sessions.open_logs(session["examId"] for session in sessions)
        views: dict[ObjectId, list[orjson.Fragment]] = {}
        for session in sessions:
            for joining in self._joining.get(session["examId"], ()):
                _keep_newest(joining.changed, {session["_id"]: session})
            views.setdefault(session["examId"], []).append(self._encoded(session))
            await self._to_student(session)
        for exam_id, items in views.items():
            await self._to_consoles("presence", exam_id, items)

    async def _to_student(self, session: Stored) -> None:
        """Its student is told where its status, its clock or its hand is another."""
        connection = self._connections.bound(session["_id"])
        self._connections.refresh(session)
        if connection is None or connection.session is None or connection.session["rev"] > session["rev"]:
            return
        view = self._sessions.view(session, for_student=True)
        before = connection.told
        if before is not None and before != concern(view):
            connection.told = concern(view)
            await self._server.emit("session", view, room=session_room(session["_id"]), namespace="/exam")

    async def erased(self, gone: Gone) -> None:
        """Have what was erased in an exam's log read from the database again."""
        if gone.exam_id:
            self.recent.forget(gone.exam_id)

    async def commands(self, exam_id: ObjectId, commands: list[dict[str, Any]]) -> None:
        """The commands' subscriber: one message to the consoles."""
        await self._to_consoles("commands", exam_id, [orjson.Fragment(to_json(one)) for one in commands])

    async def _to_consoles(self, event: str, exam_id: ObjectId, items: list[orjson.Fragment]) -> None:
        message = {"examId": exam_id, "items": items}
        await self._server.emit(event, message, room=console_room(exam_id), namespace="/proctor")


def _keep_newest(sessions: dict[ObjectId, Stored], others: dict[ObjectId, Stored]) -> None:
    """Take those of `others` over that are newer than what `sessions` has."""
    for session_id, other in others.items():
        if session_id not in sessions or sessions[session_id]["rev"] < other["rev"]:
            sessions[session_id] = other


def concern(view: dict[str, Any]) -> tuple[Any, ...]:
    """What of a ProctoringSession its student is told of as soon as it changes."""
    return view["status"], view["deadline"], view["timeLedger"], view["hand"]


def chat_view(record: Stored) -> dict[str, Any]:
    """What a proctor wrote, as a student sees it: `{offset, text, from, at}`."""
    return {
        "offset": record["offset"],
        "text": record["data"]["text"],
        "from": {"name": record.get("actorName")},
        "at": record["receivedAt"],
    }
