"""Proctoring over REST: start, end, look at, and the two events for clients without a socket."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field

from handlers.base import Json
from handlers.events import HeartbeatAck
from handlers.exam_namespace import heartbeat_ack
from handlers.http import (
    DEFAULT_LIMIT,
    KEY,
    PACE,
    STORE,
    Limit,
    Since,
    actor_of,
    loaded,
    operation,
    page,
    reply,
)
from models.activity import Activity, ActivityType, ReportedActivity
from models.activity import view as activity_view
from models.actors import SUPERVISORS, Actor, Role
from models.command import Command
from models.database import Stored
from models.errors import Conflict
from models.fields import Document, Id, Instant, Payload, format_instant, now, shape
from models.lifecycle import Status, is_over
from models.session import ProctoringSession, ProctoringSessionRecord, entry_of
from models.store import Store

routes = web.RouteTableDef()

_STUDENT = frozenset({Role.STUDENT})
_INVOLVED = SUPERVISORS | _STUDENT


class StartPayload(Payload):
    exam_id: Id


class TabChangePayload(Payload):
    session_id: Id
    hidden: bool = True
    occurred_at: Instant | None = None


class HeartbeatPayload(Payload):
    session_id: Id


class Heartbeat(Document):
    received_at: Instant


async def _load(store: Store, actor: Actor, session_id: Id) -> Stored:
    return await store.sessions.get(actor, session_id)


# Not the paths of what is reported, which would take GET then.
_SESSION: Final = "/routes/proctoring/{sessionId:(?!(?:start|tab-change|heartbeat)$)[^/]+}"


@routes.post("/routes/proctoring/start", name="start_session")
@operation(_STUDENT, answer=ProctoringSession, status=201)
async def start_session(request: web.Request, body: StartPayload) -> web.Response:
    """201 with the new session, then 200 with the same."""
    store, actor = request.app[STORE], actor_of(request)
    session, created = await store.starting.start(actor, await store.exams.get(actor, body.exam_id))
    location = f"/routes/proctoring/{session['_id']}" if created else None
    (view,) = await store.sessions.views(actor, [session])
    return reply(view, status=201 if created else 200, location=location)


@routes.put("/routes/proctoring/end/{sessionId}")
@operation(_INVOLVED, answer=ProctoringSession, load=_load)
async def end_session(request: web.Request, sessionId: Id, /) -> web.Response:
    """Its STUDENT hands in, staff end it. Repeated: the session as it is."""
    sessions, actor = request.app[STORE].sessions, actor_of(request)
    (view,) = await sessions.views(actor, [await sessions.end(loaded(request), actor)])
    return reply(view)


@routes.get("/routes/proctoring")
@operation(SUPERVISORS, answer=list[ProctoringSession])
async def list_sessions(
    request: web.Request,
    examId: Id | None = None,
    status: Status | None = None,
    limit: Limit = DEFAULT_LIMIT,
    after: Id | None = None,
) -> web.Response:
    """Of one exam, or all that one may see."""
    sessions, actor = request.app[STORE].sessions, actor_of(request)
    found = await sessions.page(actor, examId, status, after, limit + 1)
    return page(request, await sessions.views(actor, found), limit)


@routes.get(_SESSION)
@operation(_INVOLVED, answer=ProctoringSessionRecord, load=_load, looks=True)
async def get_session(request: web.Request, sessionId: Id, /) -> web.Response:
    """One session."""
    return reply(await request.app[STORE].sessions.view_record(actor_of(request), loaded(request)))


@routes.post("/routes/proctoring/tab-change")
@operation(_STUDENT, answer=ReportedActivity, status=201)
async def tab_change(request: web.Request, body: TabChangePayload) -> web.Response:
    """The same as the event `tab_change`, without `seq`."""
    store, actor = request.app[STORE], actor_of(request)
    session = await _running(request, body.session_id)
    exam = await store.exams.get(actor, session["examId"])
    await store.log.of(exam["_id"]).open()
    key, data = request.get(KEY), {"hidden": body.hidden}
    entry = entry_of(
        session,
        "tab_change",
        "client",
        data,
        actor_id=actor.id,
        occurred_at=body.occurred_at,
        once=f"request:{key.digest}" if key else None,
        **store.tab_limit.traits(exam, session, "tab_change", data, now()),
    )
    recorded = await store.log.append(entry)
    if entry.counted and not recorded.duplicate:
        await store.tab_limit.enforce(exam, session)
    return reply(shape(ReportedActivity, recorded.record), status=201)


@routes.post("/routes/proctoring/heartbeat")
@operation(_STUDENT, answer=HeartbeatAck)
async def heartbeat(request: web.Request, body: HeartbeatPayload) -> web.Response:
    """The same as the event `heartbeat`."""
    store, interval_ms = request.app[STORE], request.app[PACE].interval_ms
    session = await _running(request, body.session_id)
    store.watch.alive(session, interval_ms)
    try:
        at = await store.heartbeats.beat(session["_id"], session["examId"])
    finally:
        store.watch.answered(session)
    return reply(heartbeat_ack(at, session, interval_ms))


@routes.get("/routes/proctoring/{sessionId}/commands")
@operation(SUPERVISORS, answer=list[Command], load=_load)
async def session_commands(
    request: web.Request, sessionId: Id, /, limit: Limit = DEFAULT_LIMIT, after: Id | None = None
) -> web.Response:
    """What was ordered of one session, in order, and how far each got."""
    commands = (await request.app[STORE].commands.of(loaded(request)["examId"])).of(sessionId)
    following = [one for one in commands if after is None or one["id"] > after]
    return page(request, following[: limit + 1], limit)


@routes.get("/routes/proctoring/{sessionId}/activity")
@operation(SUPERVISORS, answer=list[Activity], load=_load, looks=True)
async def session_activity(
    request: web.Request,
    sessionId: Id,
    /,
    since: Since = 0,
    type: ActivityType | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> web.Response:
    """The session's activities after the offset `since`, in order."""
    log = request.app[STORE].log
    records = await log.read_session(loaded(request)["examId"], sessionId, since, type, limit + 1)
    items = [activity_view(record) for record in records]
    return page(request, items, limit, {"since": items[:limit][-1]["offset"] if items else since})


@routes.get("/routes/proctoring/{sessionId}/heartbeats")
@operation(SUPERVISORS, answer=list[Heartbeat], load=_load, looks=True)
async def session_heartbeats(
    request: web.Request,
    sessionId: Id,
    /,
    from_: Annotated[Instant | None, Field(alias="from")] = None,
    to: Instant | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> web.Response:
    """Every heartbeat that was received, `from` included, `to` not."""
    times = await request.app[STORE].heartbeats.read(loaded(request), from_, to, limit + 1)
    items: list[Json] = [{"receivedAt": at} for at in times]
    following: Any = items[limit]["receivedAt"] if len(items) > limit else None
    return page(request, items, limit, {"from": format_instant(following)} if following else None)


async def _running(request: web.Request, session_id: Id) -> Stored:
    session = await request.app[STORE].sessions.get(actor_of(request), session_id)
    if is_over(session):
        raise Conflict("The session is over.")
    return session
