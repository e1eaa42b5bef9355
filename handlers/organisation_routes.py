"""Organisations: made by SALES, kept by their ADMINs."""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from handlers.http import DEFAULT_LIMIT, STORE, Limit, actor_of, loaded, new_id, operation, page, reply
from models.actors import EVERYBODY, Actor, Role
from models.database import Stored
from models.fields import Id, Name, Payload
from models.keeping import Retention
from models.organisations import Organisation
from models.store import Store

routes = web.RouteTableDef()


class NewOrganisation(Payload):
    name: Name
    self_registration: bool = True


class OrganisationChanges(Payload):
    name: Name = Field(default_factory=str)
    self_registration: bool = Field(default_factory=bool)
    retention: Retention = Field(default_factory=Retention)


async def _load(store: Store, actor: Actor, organisation_id: Id) -> Stored:
    return await store.organisations.get(actor, organisation_id)


@routes.post("/routes/organisations")
@operation(frozenset({Role.SALES}), answer=Organisation, status=201)
async def create_organisation(request: web.Request, body: NewOrganisation) -> web.Response:
    """Make an organisation. `selfRegistration`: whether students may make their own accounts in it."""
    made = await request.app[STORE].organisations.create(new_id(request), body.name, body.self_registration)
    return reply(
        request.app[STORE].organisations.view(made), status=201, location=f"/routes/organisations/{made['_id']}"
    )


@routes.get("/routes/organisations")
@operation(EVERYBODY, answer=list[Organisation])
async def list_organisations(
    request: web.Request, limit: Limit = DEFAULT_LIMIT, after: Id | None = None
) -> web.Response:
    """SALES see all, others their own."""
    found = await request.app[STORE].organisations.page(actor_of(request), after, limit + 1)
    items = [request.app[STORE].organisations.view(one) for one in found]
    return page(request, items, limit)


@routes.get("/routes/organisations/{id}")
@operation(EVERYBODY, answer=Organisation, load=_load)
async def get_organisation(request: web.Request, id: Id, /) -> web.Response:
    """One organisation."""
    return reply(request.app[STORE].organisations.view(loaded(request)))


@routes.put("/routes/organisations/{id}")
@operation(frozenset({Role.SALES, Role.ADMIN}), answer=Organisation, load=_load)
async def update_organisation(request: web.Request, id: Id, /, body: OrganisationChanges) -> web.Response:
    """SALES change any, an ADMIN its own. Of `retention` what is not named stays as it is; null is for ever."""
    organisations = request.app[STORE].organisations
    changes = body.model_dump(by_alias=True, exclude_unset=True)
    return reply(organisations.view(await organisations.update(id, changes)))


@routes.delete("/routes/organisations/{id}")
@operation(frozenset({Role.SALES}), status=204, load=_load)
async def delete_organisation(request: web.Request, id: Id, /) -> web.Response:
    """Delete one that has neither users nor exams; else `conflict`."""
    await request.app[STORE].organisations.delete(id)
    return web.Response(status=204)
