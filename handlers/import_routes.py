"""Many accounts at once, from the list that a school has of its people."""

from __future__ import annotations

import asyncio
import functools
from typing import Annotated, Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import Field

from handlers.base import Json
from handlers.events import EventError
from handlers.http import REFUSE_COMMON_PASSWORDS, STORE, actor_of, operation, reply
from handlers.problems import to_error
from models.actors import Role
from models.errors import InvalidPayload, NotFound
from models.fields import Document, shape
from models.importing import Import, Made
from models.roster import MOST_LINES, read_csv, read_json
from models.users import User

routes = web.RouteTableDef()

_BEGAN: Final = web.RequestKey("began", float)

# For the published contract: the body is not read by the route's signature, which knows one JSON object alone.
BODY: Final[dict[str, Any]] = {
    "application/json": {
        "schema": {"type": "array", "maxItems": MOST_LINES, "items": {"$ref": "#/components/schemas/NewAccount"}},
    },
    "text/csv": {
        "schema": {
            "type": "string",
            "description": (
                f"UTF-8, with or without a byte order mark, separated by `,` or `;`, at most {MOST_LINES} lines below "
                "the header. That names the columns `name` and `email`, and where wanted `role` and `password`, in any "
                "order and case. An empty role is STUDENT; for an empty password one is made."
            ),
        },
        "example": "name,email,role\r\nZoë Miller,zoe@example.org,STUDENT\r\n",
    },
}

LineNumber = Annotated[
    int,
    Field(
        description="of JSON its place in the list, of CSV the line of the file that it begins in, with the header "
        "and empty lines; both from 1"
    ),
]


class MadeLine(Document):
    line: LineNumber
    user: User
    password: Annotated[str | None, Field(description="the one that was made; null where the list gave one")]


class RefusedLine(Document):
    """`unavailable`: send it again. `conflict`: the address is taken, which an earlier sending may have done."""

    line: LineNumber
    error: EventError


class Imported(Document):
    """In the order of the list."""

    lines: list[MadeLine | RefusedLine]


def _timed(handler: Handler) -> Handler:
    """Note when the request began: what time it has left is counted from before its token was looked up."""

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        request[_BEGAN] = asyncio.get_running_loop().time()
        return await handler(request)

    return handle


@routes.post("/routes/users/import", name="import_users")
@_timed
@operation(frozenset({Role.ADMIN}), answer=Imported, idempotent=False)
async def import_users(request: web.Request) -> web.Response:
    """Make up to 500 accounts in one's organisation, each of them made or refused by itself.

    Where the list has no password the server makes one, which is answered here and never again. So no answer is kept
    for the header Idempotency-Key: of a list that is sent again, those that were made before are refused as `conflict`.
    Lines for which there was no time are refused as `unavailable` and can be sent again: a list with passwords of its
    own, which take longer, is made some dozens at a time.
    """
    organisation_id = actor_of(request).organisation_id
    if organisation_id is None:
        raise NotFound("No such organisation.")
    if (request.charset or "utf-8").lower().replace("-", "") != "utf8":
        raise InvalidPayload("The list is not UTF-8.", [{"loc": ["body"], "msg": "JSON and CSV are UTF-8 here"}])
    read = read_csv if request.content_type == "text/csv" else read_json
    lines = read(await request.read())
    store = request.app[STORE]
    one = Import(
        store.database,
        store.organisations,
        store.passwords,
        organisation_id,
        request[_BEGAN],
        refuse_common=request.app[REFUSE_COMMON_PASSWORDS],
    )
    return reply({"lines": [{"line": number} | _answer(outcome) for number, outcome in await one.run(lines)]})


def _answer(outcome: Made | Exception) -> Json:
    if isinstance(outcome, Exception):
        return {"error": to_error(outcome).as_dict()}
    return {"user": shape(User, outcome.user), "password": outcome.password}
