"""`/proctor`: the proctor's console. A payload model and a method an event."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Self

from bson import ObjectId
from pydantic import Field, model_validator

from handlers.base import Json, Namespace, Request, event
from handlers.broadcast import Broadcast, console_room
from handlers.connections import Connection, Connections
from handlers.events import ActivityPush, Commanded, CommandsPush, Draining, Joined, Nothing, PresencePush, Recorded
from models.activity import ActivityType, Entry, Text
from models.activity import view as activity_view
from models.actors import SUPERVISORS, Role
from models.command import Action
from models.database import Stored
from models.errors import Conflict, Forbidden, NotFound, Unauthorized, Unavailable
from models.exams import view as exam_view
from models.fields import Id, Payload, now
from models.lifecycle import is_over
from models.orders import Wish, order_id_of
from models.policy import MOST_MINUTES
from models.session import entry_of
from models.store import Store
from models.summary import Verdict

_MOST_AT_JOIN: Final = 5000
_LATEST_AT_JOIN: Final = 100
_READ_AT_JOIN: Final = 100  # at a time, of what is not among the recent records
_JOIN_S: Final = 9.0


class Join(Payload):
    exam_id: Id
    since: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    epoch: str | None = None


class Leave(Payload):
    exam_id: Id


class ProctorChat(Request):
    exam_id: Id
    session_id: Id | None = None
    text: Text


class GivenCommand(Request):
    """`reason` goes with pause, extend, terminate and reinstate, and may go with deny; `text` with warn; `minutes` with
    extend. Without `sessionId`: every session of the exam that it fits.
    """

    exam_id: Id
    session_id: Id | None = None
    action: Action
    reason: Text | None = None
    text: Text | None = None
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES, description="whole minutes")] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = _NEEDED.get(self.action, frozenset())
        allowed = needed | {"reason"} if self.action == "deny" else needed
        given = {name for name in ("reason", "text", "minutes") if getattr(self, name) is not None}
        if missing := needed - given:
            raise ValueError(f"{self.action} needs {', '.join(sorted(missing))}")
        if extra := given - allowed:
            raise ValueError(f"{self.action} takes no {', '.join(sorted(extra))}")
        return self


_NEEDED: Final[dict[str, frozenset[str]]] = {
    "warn": frozenset({"text"}),
    "pause": frozenset({"reason"}),
    "extend": frozenset({"minutes", "reason"}),
    "terminate": frozenset({"reason"}),
    "reinstate": frozenset({"reason"}),
}


class LowerStudentHand(Request):
    session_id: Id


class Review(Request):
    session_id: Id
    verdict: Verdict
    note: Text | None = None


class ProctorNamespace(Namespace):
    """What a proctor's console can do."""

    path = "/proctor"
    roles = SUPERVISORS
    pushes = {"activity": ActivityPush, "presence": PresencePush, "commands": CommandsPush, "draining": Draining}

    def __init__(self, store: Store, connections: Connections, broadcast: Broadcast) -> None:
        super().__init__(store, connections)
        self.broadcast = broadcast

    @event(Joined)
    async def on_join(self, connection: Connection, payload: Join) -> Json:
        """Watch an exam: all after the offset `since`, without it the latest 100. Where `truncated`, join again from
        `offset`; pushes begin after the answer that is not.
        """
        if not self.server.is_open(connection.sid, self.namespace):  # what it sent is still to be done, but for reading
            raise Unavailable("The client has gone.")
        try:
            async with asyncio.timeout(_JOIN_S):  # it only reads: what is cut off leaves nothing half done
                return await self._join(connection, payload)
        except TimeoutError as error:
            raise Unavailable from error

    async def _join(self, connection: Connection, payload: Join) -> Json:
        await self._leave(connection, payload.exam_id)
        exam = await self._enter(connection, payload.exam_id)
        await self._looked(connection, "join", {"examId": payload.exam_id})
        log = self.store.log.of(payload.exam_id)
        await log.fresh()  # what it has seen elsewhere is not ahead of what is known here
        since, reset = payload.since, False
        if since is not None:
            reset = since > log.head or payload.epoch not in (None, exam["epoch"])
        if since is None or reset:
            since = max(0, log.head - _LATEST_AT_JOIN)
        with self.broadcast.joining(payload.exam_id) as joining:
            await asyncio.shield(joining.read)  # others wait for it too
            activity: list[Any] = []
            upto, most = since, _MOST_AT_JOIN + 1  # one more tells that there are more
            while (rest := self.broadcast.recent.after(payload.exam_id, upto, log.head, most)) is None:
                records = await self.store.log.read(payload.exam_id, upto, min(log.head, upto + _READ_AT_JOIN))
                activity += [activity_view(record) for record in records]
                upto = since + len(activity)
                if len(activity) >= most or not records:
                    break
            # From the last look at what is recent on nothing waits until the console is in the room.
            activity += rest or []
            truncated = rest is None or len(activity) > _MOST_AT_JOIN
            activity = activity[:_MOST_AT_JOIN]
            sessions = self.broadcast.joined(joining)
            if connection.closed:
                raise Unauthorized("This connection was closed.")
            if not truncated:
                await self.server.enter_room(connection.sid, console_room(payload.exam_id), namespace=self.namespace)
        return {
            "exam": exam_view(connection.actor, exam),
            "epoch": exam["epoch"],
            "offset": since + len(activity),
            "sessions": sessions,
            "activity": activity,
            "truncated": truncated,
            "reset": reset,
        }

    @event(Nothing)
    async def on_leave(self, connection: Connection, payload: Leave) -> Json:
        """Watch it no longer."""
        await self.store.exams.get(connection.actor, payload.exam_id)
        await self._leave(connection, payload.exam_id)
        return {}

    @event(Recorded)
    async def on_chat(self, connection: Connection, payload: ProctorChat) -> Json:
        """Write to one student, or to the whole exam."""
        exam = await self.store.exams.get(connection.actor, payload.exam_id)
        actor = connection.actor
        once = f"request:{actor.id}:{payload.request_id.lower()}"
        if payload.session_id is None:
            entry = Entry(
                exam_id=exam["_id"],
                organisation_id=exam["organisationId"],
                type="chat",
                source="proctor",
                received_at=now(),
                actor_id=actor.id,
                actor_name=actor.name,
                once=once,
                data={"text": payload.text, "to": "exam"},
            )
        else:
            session = await self.store.sessions.get(connection.actor, payload.session_id)
            if session["examId"] != exam["_id"]:
                raise NotFound("No such session in this exam.")
            data = {"text": payload.text, "to": "student"}
            entry = entry_of(session, "chat", "proctor", data, actor_id=actor.id, actor_name=actor.name, once=once)
            if is_over(session) and not await self.store.log.of(exam["_id"]).has(entry):
                raise Conflict("The session is over.")
        recorded = await self.store.log.append(entry)
        return {"id": recorded.record["id"], "offset": recorded.record["offset"]}

    @event(Commanded, audited=True)
    async def on_command(self, connection: Connection, payload: GivenCommand) -> Json:
        """Admit, deny, warn, pause, resume, give time, end or reinstate: at once; then the student is told."""
        actor = connection.actor
        if payload.action == "reinstate" and actor.role is not Role.ADMIN:
            raise Forbidden("Only an ADMIN reinstates.")
        exam = await self.store.exams.get(actor, payload.exam_id)
        session = None
        if payload.session_id is not None:
            session = await self._session(connection, payload.session_id)
            if session["examId"] != exam["_id"]:
                raise NotFound("No such session in this exam.")
        wish = Wish(
            action=payload.action,
            reason=payload.reason,
            text=payload.text,
            minutes=payload.minutes,
            actor_id=actor.id,
        )
        order_id = order_id_of(actor.id, payload.request_id)
        return {"commands": await self.store.orders.give(order_id, exam, session, wish)}

    @event(Recorded, audited=True)
    async def on_lower_hand(self, connection: Connection, payload: LowerStudentHand) -> Json:
        """Lower a student's hand."""
        session = await self._session(connection, payload.session_id)
        return await self._record(connection, payload, session, "hand_lowered", {})

    @event(Recorded, audited=True)
    async def on_review(self, connection: Connection, payload: Review) -> Json:
        """Judge a session; a later judgement replaces it."""
        session = await self._session(connection, payload.session_id)
        data = payload.model_dump(by_alias=True, include={"verdict", "note"}, exclude_none=True)
        return await self._record(connection, payload, session, "reviewed", data)

    async def _looked(self, connection: Connection, action: str, on: dict[str, ObjectId | None]) -> None:
        audit = self.store.audit
        if audit.first_look(connection.actor, action, on):
            await audit.did(connection.actor, action, on, address=connection.address)

    async def _session(self, connection: Connection, session_id: ObjectId) -> Stored:
        return await self.store.sessions.get(connection.actor, session_id)

    async def _record(
        self, connection: Connection, payload: Request, session: Stored, type_: ActivityType, data: Json
    ) -> Json:
        """Record what changes how a session is shown, and show it."""
        once = f"request:{connection.actor.id}:{payload.request_id.lower()}"
        entry = entry_of(session, type_, "proctor", data, actor_id=connection.actor.id, once=once)
        recorded = await self.store.log.append(entry)
        if not recorded.duplicate:
            await self.store.sessions.changes.tell([session])
        return {"id": recorded.record["id"], "offset": recorded.record["offset"]}

    async def _leave(self, connection: Connection, exam_id: ObjectId) -> None:
        connection.exams.discard(exam_id)
        await self.server.leave_room(connection.sid, console_room(exam_id), namespace=self.namespace)
        # A push that was on its way when we left is a task that was made before; let it go out before the ack does.
        await asyncio.sleep(0)
