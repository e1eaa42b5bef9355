"""Exams: made and kept by an organisation's ADMINs."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import FailFast, Field

from handlers.http import (
    CONNECTIONS,
    DEFAULT_LIMIT,
    STORE,
    Limit,
    Since,
    actor_of,
    loaded,
    new_id,
    operation,
    page,
    reply,
)
from models.activity import Activity
from models.activity import view as activity_view
from models.actors import SUPERVISORS, Actor, Role
from models.database import Stored
from models.errors import NotFound
from models.exams import Exam, ExamRecord, view
from models.fields import Id, Instant, Name, Payload
from models.policy import MOST_MINUTES, Accommodation, Policy
from models.store import Store

routes = web.RouteTableDef()

_ADMIN = frozenset({Role.ADMIN})
_MEMBERS = SUPERVISORS | {Role.STUDENT}

Minutes = Annotated[int, Field(ge=1, le=MOST_MINUTES, description="whole minutes")]
Users = Annotated[list[Id], Field(max_length=20_000), FailFast()]
Accommodations = Annotated[list[Accommodation], Field(max_length=20_000), FailFast()]


class NewExam(Payload):
    title: Name
    duration: Minutes
    organisation_id: Id | None = None
    users: Users = Field(default_factory=list)
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    rehearsal: bool = False
    policy: Policy = Field(default_factory=Policy)
    accommodations: Accommodations = Field(default_factory=list)


class ExamChanges(Payload):
    """`startsAt` and `endsAt` may be null, to take them off. Of `policy` what is not named stays as it is."""

    title: Name = Field(default_factory=str)
    duration: Minutes = Field(default_factory=int)
    users: Users = Field(default_factory=list)
    starts_at: Instant | None = Field(default_factory=lambda: None)
    ends_at: Instant | None = Field(default_factory=lambda: None)
    rehearsal: bool = Field(default_factory=bool)
    policy: Policy = Field(default_factory=Policy)
    accommodations: Accommodations = Field(default_factory=list)


class Assignment(Payload):
    add: Users = Field(default_factory=list)
    remove: Users = Field(default_factory=list)


async def _load(store: Store, actor: Actor, exam_id: Id) -> Stored:
    return await store.exams.get(actor, exam_id)


@routes.post("/routes/exams")
@operation(_ADMIN, answer=Exam, status=201)
async def create_exam(request: web.Request, body: NewExam) -> web.Response:
    """Make an exam. `duration` is in minutes; `users` are the students and proctors who are assigned to it."""
    actor = actor_of(request)
    if actor.organisation_id is None or body.organisation_id not in (None, actor.organisation_id):
        raise NotFound("No such organisation.")
    fields = body.model_dump(by_alias=True, exclude={"organisation_id"}) | {"users": list(dict.fromkeys(body.users))}
    made = await request.app[STORE].exams.create(new_id(request), actor.organisation_id, fields)
    return reply(view(actor, made), status=201, location=f"/routes/exams/{made['_id']}")


@routes.get("/routes/exams")
@operation(_MEMBERS, answer=list[Exam])
async def list_exams(request: web.Request, limit: Limit = DEFAULT_LIMIT, after: Id | None = None) -> web.Response:
    """An ADMIN sees its organisation's, PROCTOR and STUDENT those that they are assigned to."""
    actor = actor_of(request)
    items = [view(actor, one) for one in await request.app[STORE].exams.page(actor, after, limit + 1)]
    return page(request, items, limit)


@routes.get("/routes/exams/{id}")
@operation(_MEMBERS, answer=ExamRecord, load=_load)
async def get_exam(request: web.Request, id: Id, /) -> web.Response:
    """One exam."""
    return reply(await request.app[STORE].exams.record(actor_of(request), loaded(request)))


@routes.put("/routes/exams/{id}")
@operation(_ADMIN, answer=ExamRecord, load=_load)
async def update_exam(request: web.Request, id: Id, /, body: ExamChanges) -> web.Response:
    """Any of the fields; `duration` not while sessions run: `conflict`."""
    store, connections, exam = request.app[STORE], request.app[CONNECTIONS], loaded(request)
    changed = await store.exams.update(exam, body.model_dump(by_alias=True, exclude_unset=True))
    connections.refresh_exam(changed)
    await connections.close_members(id, set(exam["users"]) - set(changed["users"]))
    await store.sessions.renew_terms(changed)
    return reply(await store.exams.record(actor_of(request), changed))


@routes.post("/routes/exams/{id}/users")
@operation(_ADMIN, answer=ExamRecord, load=_load)
async def assign_users(request: web.Request, id: Id, /, body: Assignment) -> web.Response:
    """Assign people, and take others away, who lose access at once."""
    exams = request.app[STORE].exams
    changed = await exams.assign(loaded(request), body.add, body.remove)
    await request.app[CONNECTIONS].close_members(id, body.remove)
    return reply(await exams.record(actor_of(request), changed))


@routes.delete("/routes/exams/{id}")
@operation(_ADMIN, status=204, load=_load)
async def delete_exam(request: web.Request, id: Id, /) -> web.Response:
    """Delete one without sessions, else `conflict`; a `rehearsal` goes with all that is in it."""
    store, connections, exam = request.app[STORE], request.app[CONNECTIONS], loaded(request)
    if exam["rehearsal"]:
        await connections.close_exam(id)
        await connections.finished()
        await store.sessions.forget_exam(id)
        store.commands.forget(id)
    await store.exams.delete(exam)
    await connections.close_exam(id)
    return web.Response(status=204)


@routes.get("/routes/exams/{id}/activity")
@operation(SUPERVISORS, answer=list[Activity], load=_load, looks=True)
async def exam_activity(
    request: web.Request, id: Id, /, since: Since = 0, limit: Limit = DEFAULT_LIMIT
) -> web.Response:
    """The exam's whole log after the offset `since`, in order."""
    records = await request.app[STORE].log.read(id, since, since + limit + 1)
    items = [activity_view(record) for record in records]
    return page(request, items, limit, {"since": since + limit})
