"""`/exam`: the exam client of one student. A payload model and a method an event."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from bson import ObjectId
from pydantic import Field, ValidationError

from handlers.base import Json, Namespace, NoPayload, event
from handlers.binding import Binding
from handlers.broadcast import chat_view, concern
from handlers.connections import Connection, Connections
from handlers.delivery import Delivery
from handlers.events import ChatMessage, Draining, Ended, HeartbeatAck, Nothing, Recorded, Replayed, Started
from handlers.pace import Pace
from handlers.problems import to_error
from handlers.reports import AnyActivity, Chat, Item, LowerHand, RaiseHand, Replay, Report, TabChange, seq_of
from models.activity import Entry
from models.actors import Role
from models.clock import remaining_ms
from models.command import Command
from models.database import Stored
from models.errors import Conflict, InvalidPayload, ProctoringError, UnknownEvent
from models.exams import view as exam_view
from models.fields import Id, Payload, now
from models.lifecycle import is_over
from models.records import Recorded as Record
from models.seqs import Seqs
from models.session import REPLAY_AFTER_END, ProctoringSession, entry_of
from models.store import Store

_CHAT_AT_START: Final = 100

Offset = Annotated[int, Field(ge=0)]


class Start(Payload):
    exam_id: Id
    chat_since: Offset = 0


class CommandAck(Payload):
    command_id: Id


class ExamNamespace(Namespace):
    """What a student's exam client can do."""

    path = "/exam"
    roles = frozenset({Role.STUDENT})
    pushes = {
        "chat": ChatMessage,
        "session": ProctoringSession,
        "command": Command,
        "replaced": Nothing,
        "draining": Draining,
    }

    def __init__(
        self,
        store: Store,
        connections: Connections,
        binding: Binding,
        delivery: Delivery,
        pace: Pace,
    ) -> None:
        super().__init__(store, connections)
        self.binding = binding
        self.delivery = delivery
        self.pace = pace

    @event(Started)
    async def on_start(self, connection: Connection, payload: Start) -> Json:
        """Begin, or go on with, one's session of an exam: the first event of a connection. `chat`: what was written
        after the offset `chatSince`.
        """
        if connection.exams - {payload.exam_id}:
            raise Conflict("This connection takes part in another exam.")
        # One at a time a connection: a start that is late for its answer goes on, and the next one waits for it.
        started = self.connections.deadline.keep(lambda: self._start(connection, payload.exam_id), connection.sid)
        exam, session, seqs = await started
        log = self.store.log.of(exam["_id"])
        # Read once pushes are on, so that none falls in between; the client tells a repeat by its offset.
        chat = await log.chat(session["_id"], payload.chat_since, _CHAT_AT_START)
        commands = await self.store.commands.of(exam["_id"])
        # From here to the ack nothing waits: what changes is either in it or pushed after it.
        session = connection.session or session
        view = self.store.sessions.view(session, for_student=True)
        connection.told = concern(view)
        if pending := commands.pending(session["_id"]):
            self.connections.finish(self.delivery.again(pending))
        return {
            "session": view,
            "exam": exam_view(connection.actor, exam),
            "clientId": connection.client_id,
            "lastSeq": seqs.last,
            "serverTime": now(),
            "remainingMs": view["remainingMs"],
            "heartbeatIntervalMs": self.pace.interval_ms,
            "chat": [chat_view(record) for record in chat],
        }

    async def _start(self, connection: Connection, exam_id: ObjectId) -> tuple[Stored, Stored, Seqs]:
        exam = connection.exam = await self._enter(connection, exam_id)
        try:
            await self.store.commands.of(exam_id)  # before it is bound: then its ack is there at once
            session = await self.binding.start(connection, exam)
            return exam, session, await self.store.log.of(exam_id).seqs(session["_id"], connection.client_id)
        except Exception:
            if connection.session is None:
                connection.exams.clear()
            raise

    @event(HeartbeatAck)
    async def on_heartbeat(self, connection: Connection, payload: NoPayload) -> Json:
        """Say that the client is there; the next one is due in `nextHeartbeatMs`."""
        session = _running(connection)
        interval_ms = self.pace.interval_ms
        self.store.watch.alive(session, interval_ms)
        try:
            at = await self.store.heartbeats.beat(session["_id"], session["examId"])
        finally:
            self.store.watch.answered(session)
        return heartbeat_ack(at, connection.session or session, interval_ms)

    @event(Recorded)
    async def on_tab_change(self, connection: Connection, payload: TabChange) -> Json:
        """The tab was hidden or shown. `durationMs`: how long it had been the other way."""
        return await self._record(connection, payload)

    @event(Recorded)
    async def on_chat(self, connection: Connection, payload: Chat) -> Json:
        """Write to the proctors."""
        return await self._record(connection, payload)

    @event(Recorded)
    async def on_activity(self, connection: Connection, payload: AnyActivity) -> Json:
        """Report anything that the client observes."""
        return await self._record(connection, payload)

    @event(Recorded)
    async def on_raise_hand(self, connection: Connection, payload: RaiseHand) -> Json:
        """Ask for a proctor."""
        return await self._record(connection, payload)

    @event(Recorded)
    async def on_lower_hand(self, connection: Connection, payload: LowerHand) -> Json:
        """The question is settled."""
        return await self._record(connection, payload)

    @event(Nothing)
    async def on_command_ack(self, connection: Connection, payload: CommandAck) -> Json:
        """The command was shown to the student."""
        await self.store.commands.acknowledge(_started(connection), payload.command_id)
        return {}

    @event(Replayed)
    async def on_replay(self, connection: Connection, payload: Replay) -> Json:
        """What was buffered while offline; one bad item does not stop the others. Taken up to a day after the end."""
        session = _started(connection)
        late = is_over(session)
        if late and now() - session["endTime"] > REPLAY_AFTER_END:
            raise Conflict("The session has been over for more than a day.")
        log = self.store.log.of(session["examId"])
        entries: list[Entry] = []
        seqs: list[Any] = []
        rejected: list[Json] = []
        ahead: set[object] = set()  # what counts towards the tab limit and comes before
        for item in payload.items:
            try:
                report = self._report(item)
                entry = self._entry(connection, session, report, *report.content(), late=late, ahead=len(ahead))
                entries.append(entry)
                seqs.append(entry.seq)
                if entry.counted and not await log.has(entry):
                    ahead.add(entry.key or object())
            except (ProctoringError, ValidationError) as error:
                rejected.append({"seq": seq_of(item), "error": to_error(error).as_dict()})
        results = await log.append(entries)
        for seq, result in zip(seqs, results, strict=True):
            if isinstance(result, ProctoringError):
                rejected.append({"seq": seq, "error": result.as_dict()})
        stored = [result for result in results if not isinstance(result, ProctoringError)]
        await self._follow(connection, stored)
        duplicates = sum(result.duplicate for result in stored)
        return {"recorded": len(stored) - duplicates, "duplicates": duplicates, "rejected": rejected}

    @event(Ended)
    async def on_end(self, connection: Connection, payload: NoPayload) -> Json:
        """Hand in. Repeated: the session as it is."""
        started = _started(connection)
        session = await self.connections.deadline.keep(lambda: self.store.sessions.end(started, connection.actor))
        return {"session": self.store.sessions.view(session, for_student=True)}

    async def disconnected(self, connection: Connection, reason: str) -> None:
        await self.binding.unbind(connection, reason)

    async def _record(self, connection: Connection, report: Report) -> Json:
        type_, data = report.content()  # whether it is valid is looked at before whether there is a session
        session = _running(connection)
        recorded = await self.store.log.append(self._entry(connection, session, report, type_, data))
        await self._follow(connection, [recorded])
        return recorded.ack()

    async def _follow(self, connection: Connection, stored: list[Record]) -> None:
        """What follows from what was recorded just now."""
        session = _started(connection)
        new = [one.record for one in stored if not one.duplicate]
        if any(record["type"] in ("hand_raised", "hand_lowered") for record in new):
            await self.store.sessions.changes.tell([session])
        exam = connection.exam
        if exam is not None and any(record.get("counted") for record in new):
            await self.connections.deadline.keep(lambda: self.store.tab_limit.enforce(exam, session))

    def _entry(
        self,
        connection: Connection,
        session: Stored,
        report: Report,
        type_: str,
        data: Json,
        *,
        late: bool = False,
        ahead: int = 0,
    ) -> Entry:
        traits = self.store.tab_limit.traits(connection.exam, session, type_, data, now(), ahead)
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
            **traits,
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


def heartbeat_ack(at: datetime, session: Stored, interval_ms: int) -> Json:
    """What a heartbeat is answered, by REST too."""
    return {
        "serverTime": at,
        "remainingMs": remaining_ms(session, at),
        "nextHeartbeatMs": interval_ms,
        "status": session["status"],
    }


def _started(connection: Connection) -> Stored:
    if connection.session is None:
        raise Conflict("Start first.")
    return connection.session


def _running(connection: Connection) -> Stored:
    session = _started(connection)
    if is_over(session):
        raise Conflict("The session is over.")
    return session
