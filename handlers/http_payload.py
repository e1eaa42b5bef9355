"""What a request carries: read once, and refused where the libraries below would let it through or answer otherwise."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
from aiohttp import web
from pydantic import ValidationError

from handlers.problems import detail
from models.errors import InvalidPayload, NotFound, PayloadTooLarge

MAX_BODY: Final = 1024**2
BODY_S: Final = 30.0  # a body of the largest size, at 300 kbit/s


async def read_body(request: web.Request) -> None:
    """Have the body read; aiohttp keeps it. InvalidPayload where it is not here within `BODY_S`."""
    try:
        async with asyncio.timeout(BODY_S):
            await request.read()
    except TimeoutError as error:
        message = f"The body did not come within {BODY_S:.0f} s."
        raise InvalidPayload(message, [{"loc": ["body"], "msg": "not complete"}]) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise PayloadTooLarge(f"A body may have {MAX_BODY} bytes.") from error
    except (web.RequestPayloadError, ConnectionError) as error:  # a wrong Content-Encoding, a client that went
        raise InvalidPayload("The body cannot be read.", [{"loc": ["body"], "msg": str(error)}]) from error


def check_query(request: web.Request, known: set[str]) -> None:
    """Refuse what aiohttp-pydantic would ignore: unknown names, and names given twice."""
    wrong = [name for name in request.query if name not in known or len(request.query.getall(name)) > 1]
    if wrong:
        details = [{"loc": ["query", name], "msg": "unknown, or given twice"} for name in dict.fromkeys(wrong)]
        raise InvalidPayload("The query is not valid.", details)


def check_json(request: web.Request, content: bytes) -> None:
    """Refuse what is no JSON before aiohttp-pydantic reads it with the standard library's laxer parser.

    That one takes NaN, lone surrogates and numbers without bound, and answers 500 to what is not UTF-8.
    """
    try:
        charset = request.charset or "utf-8"
        if charset.lower().replace("-", "") != "utf8":
            raise ValueError("JSON is UTF-8")
        value = orjson.loads(content)
    except ValueError as error:
        raise InvalidPayload("The body is not JSON.", [{"loc": ["body"], "msg": str(error)}]) from error
    if not isinstance(value, dict):
        raise InvalidPayload("The body is not a JSON object.", [{"loc": ["body"], "msg": "not an object"}])


async def refuse_payload(error: ValidationError, context: str) -> web.StreamResponse:
    if context == "path":
        raise NotFound("No such thing: the path has no id.")
    details = [detail(one) for one in error.errors(include_url=False)]
    if context != "body":
        for one in details:
            one["loc"] = ["query", *one["loc"]]
    raise InvalidPayload("The payload is not valid.", details)
