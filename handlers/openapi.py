"""The OpenAPI document: aiohttp-pydantic's, made from the routes, brought to what the contract promises.

aiohttp-pydantic 2.6 writes OpenAPI 3.0 and reduces pydantic's schemas for it, losing some of them. Pydantic's schemas
are what OpenAPI 3.1 wants, so they are kept as they are.
"""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any, Final

from aiohttp import web
from aiohttp_pydantic.oas.pydantic_schema_to_oas import add_or_replace_translater
from aiohttp_pydantic.oas.view import generate_oas

from handlers.http import wire_name
from handlers.import_routes import BODY
from models.errors import ERRORS
from models.roster import NewAccount

_ERROR_SCHEMA: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"enum": [error.code for error in ERRORS]},
                "message": {"type": "string"},
                "retryAfterMs": {"type": "integer"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["loc", "msg"],
                        "properties": {
                            "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                            "msg": {"type": "string"},
                        },
                    },
                },
            },
        }
    },
}


def make_openapi(app: web.Application) -> dict[str, Any]:
    """The document for all routes of `app`."""
    add_or_replace_translater("3.0.0", lambda schema: None)
    document: dict[str, Any] = generate_oas([app], version("proctoring-server"), "proctoring-server")
    document["openapi"] = "3.1.0"
    document["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
    components["schemas"]["NewAccount"] = NewAccount.model_json_schema()
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    for route in app.router.routes():
        item = document["paths"].get(route.resource.canonical if route.resource else "", {})
        if route.method == "HEAD":  # aiohttp answers it wherever there is a GET
            item.pop("head", None)
        elif route.method.lower() in item:
            _complete(item[route.method.lower()], route)
    return document


def _complete(one: dict[str, Any], route: web.AbstractRoute) -> None:
    """Bring one operation to what the contract says beyond its signature."""
    traits = vars(route.handler)
    said = " ".join((inspect.getdoc(route.handler) or "").split())
    one["description"] = f"{said} For {', '.join(traits['who']) or 'anyone'}.".strip()
    for parameter in one.get("parameters", ()):
        parameter["name"] = wire_name(parameter["name"])
        parameter["schema"].pop("title", None)
    if route.method == "POST" and traits["idempotent"]:
        said = "chosen by the client, kept for a day: a repeat is answered as the first was"
        name = {"name": "Idempotency-Key", "in": "header", "description": said, "schema": {"type": "string"}}
        one.setdefault("parameters", []).append(name)
    if route.name == "start_session":
        one["responses"]["200"] = one["responses"]["201"] | {"description": "the session that was started before"}
    if route.name == "import_users":
        one["requestBody"] = {"content": BODY}
    if "requestBody" in one:
        one["requestBody"]["required"] = True
    for status, response in one["responses"].items():
        response.setdefault("description", "")
        if status == "204":
            response.pop("content", None)
        elif "content" in response:
            response["content"] = {traits["media"]: next(iter(response["content"].values()))}
    one["responses"]["default"] = {
        "description": "any error; with 429, and with 503 where it is known, when to come again",
        "headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    one["security"] = [{"token": []}] if traits["needs_token"] else [{}, {"token": []}]
