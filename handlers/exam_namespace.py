"""`/exam`: the exam client of one student. A payload model and a method an event."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from bson import ObjectId
from pydantic import Field, ValidationError

from handlers.base import Json, Namespace, NoPayload, detail, event, to_error
from handlers.binding import Binding
from handlers.broadcast import chat_view
from handlers.connections import Connection, Connections
from models.activity import REPORTED, DurationMs, Entry, Text
from models.actors import Role
from models.database import Stored
from models.errors import Conflict, InvalidPayload, ProctoringError, UnknownEvent
from models.exams import view as exam_view
from models.fields import Id, Instant, Payload, now
from models.seqs import Seqs
from models.session import REPLAY_AFTER_END, entry_of, is_over, remaining_ms
from models.store import Store

_CHAT_AT_START: Final = 100

Seq = Annotated[int, Field(ge=1, le=2**31 - 1, description="the client's own number, for telling a repeat")]
Offset = Annotated[int, Field(ge=0)]


class Report(Payload):
    """What the exam client reports: one entry of the log."""

    seq: Seq | None = None

    def content(self) -> tuple[str, Json]:
        """The activity's type and data."""
        raise NotImplementedError

    def time(self) -> datetime | None:
        """When the client says that it happened."""
        return None


class TimedReport(Report):
    occurred_at: Instant | None = None

    def time(self) -> datetime | None:
        return self.occurred_at


class Start(Payload):
    exam_id: Id
    chat_since: Offset = 0


class TabChange(TimedReport):
    hidden: bool = True
    duration_ms: DurationMs | None = None

    def content(self) -> tuple[str, Json]:
        return "tab_change", _data(self)


class Chat(Report):
    text: Text

    def content(self) -> tuple[str, Json]:
        return "chat", _data(self) | {"to": "proctors"}


class AnyActivity(TimedReport):
    type: str
    data: dict[str, Any] = Field(default_factory=dict)

    def content(self) -> tuple[str, Json]:
        model = REPORTED.get(self.type)
        if model is None:
            details = [{"loc": ["type"], "msg": f"one of {', '.join(REPORTED)} is wanted"}]
            raise InvalidPayload("No exam client reports this type of activity.", details)
        try:
            data = _data(model.model_validate(self.data))
        except ValidationError as error:
            details = [detail(one) for one in error.errors(include_url=False)]
            for one in details:
                one["loc"] = ["data", *one["loc"]]
            raise InvalidPayload("The activity's data is not valid.", details) from error
        return self.type, data | ({"to": "proctors"} if self.type == "chat" else {})


class Item(Payload):
    """One buffered event: what would have been sent."""

    event: str
    payload: dict[str, Any] = Field(default_factory=dict)


class Replay(Payload):
    items: Annotated[list[Any], Field(max_length=500, json_schema_extra={"items": Item.model_json_schema()})]


class ExamNamespace(Namespace):
    """What a student's exam client can do."""

    roles = frozenset({Role.STUDENT})

    def __init__(
        self, namespace: str, store: Store, connections: Connections, binding: Binding, heartbeat_interval_ms: int
    ) -> None:
        super().__init__(namespace, store, connections)
        self.binding = binding
        self.heartbeat_interval_ms = heartbeat_interval_ms

    @event
    async def on_start(self, connection: Connection, payload: Start) -> Json:
        if connection.exams - {payload.exam_id}:
            raise Conflict("This connection takes part in another exam.")
        # One at a time a connection: a start that is late for its answer goes on, and the next one waits for it.
        started = self.connections.deadline.keep(lambda: self._start(connection, payload.exam_id), connection.sid)
        exam, session, seqs = await started
        log = self.store.log.of(exam["_id"])
        # Read once pushes are on, so that none falls in between; the client tells a repeat by its offset.
        chat = await log.chat(session["_id"], payload.chat_since, _CHAT_AT_START)
        at = now()
        return {
            "session": self.store.sessions.view(session),
            "exam": exam_view(connection.actor, exam),
            "clientId": connection.client_id,
            "lastSeq": seqs.last,
            "serverTime": at,
            "remainingMs": remaining_ms(session, exam, at),
            "heartbeatIntervalMs": self.heartbeat_interval_ms,
            "chat": [chat_view(record) for record in chat],
        }

    async def _start(self, connection: Connection, exam_id: ObjectId) -> tuple[Stored, Stored, Seqs]:
        exam = connection.exam = await self._enter(connection, exam_id)
        try:
            session = await self.binding.start(connection, exam)
            return exam, session, await self.store.log.of(exam_id).seqs(session["_id"], connection.client_id)
        except Exception:
            if connection.session is None:
                connection.exams.clear()
            raise

    @event
    async def on_heartbeat(self, connection: Connection, payload: NoPayload) -> Json:
        session = _running(connection)
        at = await self.store.heartbeats.beat(session["_id"], session["examId"])
        return heartbeat_ack(at, session, connection.exam, self.heartbeat_interval_ms)

    @event
    async def on_tab_change(self, connection: Connection, payload: TabChange) -> Json:
        return await self._record(connection, payload)

    @event
    async def on_chat(self, connection: Connection, payload: Chat) -> Json:
        return await self._record(connection, payload)

    @event
    async def on_activity(self, connection: Connection, payload: AnyActivity) -> Json:
        return await self._record(connection, payload)

    @event
    async def on_replay(self, connection: Connection, payload: Replay) -> Json:
        session = _started(connection)
        late = is_over(session)
        if late and now() - session["endTime"] > REPLAY_AFTER_END:
            raise Conflict("The session has been over for more than a day.")
        entries: list[Entry] = []
        seqs: list[Any] = []
        rejected: list[Json] = []
        for item in payload.items:
            try:
                entries.append(self._entry(connection, session, self._report(item), late=late))
                seqs.append(entries[-1].seq)
            except (ProctoringError, ValidationError) as error:
                rejected.append({"seq": _seq_of(item), "error": to_error(error).as_dict()})
        results = await self.store.log.of(session["examId"]).append(entries)
        for seq, result in zip(seqs, results, strict=True):
            if isinstance(result, ProctoringError):
                rejected.append({"seq": seq, "error": result.as_dict()})
        stored = [result for result in results if not isinstance(result, ProctoringError)]
        duplicates = sum(result.duplicate for result in stored)
        return {"recorded": len(stored) - duplicates, "duplicates": duplicates, "rejected": rejected}

    @event
    async def on_end(self, connection: Connection, payload: NoPayload) -> Json:
        started = _started(connection)
        session = await self.connections.deadline.keep(lambda: self.store.sessions.end(started, connection.actor))
        return {"session": self.store.sessions.view(session)}

    async def disconnected(self, connection: Connection, reason: str) -> None:
        await self.binding.unbind(connection, reason)

    async def _record(self, connection: Connection, report: Report) -> Json:
        session = _running(connection)
        recorded = await self.store.log.append(self._entry(connection, session, report))
        return recorded.ack()

    def _entry(self, connection: Connection, session: Stored, report: Report, *, late: bool = False) -> Entry:
        type_, data = report.content()
        return entry_of(
            session,
            type_,
            "client",
            data,
            actor_id=connection.actor.id,
            client_id=connection.client_id,
            seq=report.seq,
            occurred_at=report.time(),
            late=late,
        )

    def _report(self, item: object) -> Report:
        """The report in a buffered item; raises as the event itself would."""
        buffered = Item.model_validate(item)
        known = self.events.get(buffered.event)
        if known is None:
            raise UnknownEvent("No such event.")
        report = known.payload.model_validate(buffered.payload)
        if not isinstance(report, Report):
            raise InvalidPayload(f"The event {known.name} cannot be replayed.")
        return report


def heartbeat_ack(at: datetime, session: Stored, exam: Stored | None, interval_ms: int) -> Json:
    """What a heartbeat is answered, by REST too."""
    return {
        "serverTime": at,
        "remainingMs": remaining_ms(session, exam, at) if exam else 0,
        "nextHeartbeatMs": interval_ms,
        "status": session["status"],
    }


def _data(payload: Payload) -> Json:
    return payload.model_dump(by_alias=True, exclude={"seq", "occurred_at"}, exclude_none=True)


def _seq_of(item: object) -> object:
    payload = item.get("payload") if isinstance(item, dict) else None
    seq = payload.get("seq") if isinstance(payload, dict) else None
    return seq if isinstance(seq, int) else None


def _started(connection: Connection) -> Stored:
    if connection.session is None:
        raise Conflict("Start first.")
    return connection.session


def _running(connection: Connection) -> Stored:
    session = _started(connection)
    if is_over(session):
        raise Conflict("The session is over.")
    return session
