"""The AsyncAPI document: every event of every namespace, made from the payload models that the boundary validates with
and from the shapes that are answered and pushed.

A namespace is a channel. What a client sends is an operation that the server receives, and its ack is the reply.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from handlers.base import Namespace
from handlers.events import EventError
from models.errors import ERRORS

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"


@cache
def make_asyncapi(namespaces: tuple[type[Namespace], ...]) -> Json:
    """The document for these namespaces. It is shared: not to be changed."""
    schemas = _Schemas(namespaces)
    channels: Json = {}
    operations: Json = {}
    for namespace in namespaces:
        name = namespace.path.strip("/")
        messages: Json = {}
        for event in namespace.events.values():
            messages[event.name] = _message(event.name, event.method.__doc__, schemas.of(event.payload))
            messages[f"{event.name}_ack"] = _message(f"{event.name}_ack", "The ack.", schemas.ack(event.answer))
            operations[f"{name}_{event.name}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{event.name}"}],
                "reply": {
                    "channel": {"$ref": f"#/channels/{name}"},
                    "messages": [{"$ref": f"#/channels/{name}/messages/{event.name}_ack"}],
                },
            }
        for push, model in namespace.pushes.items():
            key = f"{push}_push" if push in messages else push  # a name may go both ways
            messages[key] = _message(push, model.__doc__, schemas.of(model))
            operations[f"{name}_push_{push}"] = {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{key}"}],
            }
        roles = ", ".join(sorted(namespace.roles))
        channels[name] = {
            "address": namespace.path,
            "description": f"{namespace.__doc__} For {roles}. Connect with auth {{token, clientId?}}.",
            "messages": messages,
        }
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "proctoring-server",
            "version": version("proctoring-server"),
            "description": "Socket.IO, protocol 5, at /socket.io/. Every event that asks for an ack gets exactly one.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas.found},
    }


class _Schemas:
    """One schema a model. An answer has no field that its model has not."""

    def __init__(self, namespaces: Iterable[type[Namespace]]) -> None:
        sent: set[type[BaseModel]] = {one.payload for namespace in namespaces for one in namespace.events.values()}
        told: set[type[BaseModel]] = {one.answer for namespace in namespaces for one in namespace.events.values()}
        told |= {model for namespace in namespaces for model in namespace.pushes.values()} | {EventError}
        wanted = [(model, "validation") for model in _sorted(sent)] + [
            (model, "serialization") for model in _sorted(told)
        ]
        refs, found = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type] # its list is invariant
        self._refs = {model: ref for (model, _), ref in refs.items()}
        self.found: Json = found["$defs"]
        for schema in self.found.values():
            if schema.get("type") == "object":
                schema.setdefault("additionalProperties", False)
        name = self._refs[EventError]["$ref"].rpartition("/")[2]
        self.found[name]["properties"]["code"] = {"enum": [error.code for error in ERRORS]}

    def of(self, model: type[BaseModel]) -> Json:
        return self._refs[model]

    def ack(self, model: type[BaseModel]) -> Json:
        """`{ok: true, data}` or `{ok: false, error}`."""
        ways = [("data", True, self.of(model)), ("error", False, self.of(EventError))]
        return {
            "oneOf": [
                {
                    "type": "object",
                    "required": ["ok", name],
                    "properties": {"ok": {"const": ok}, name: schema},
                    "additionalProperties": False,
                }
                for name, ok, schema in ways
            ]
        }


def _message(name: str, about: str | None, payload: Json) -> Json:
    return {"name": name, "summary": " ".join((about or "").split()), "payload": payload}


def _sorted(models: set[type[BaseModel]]) -> list[type[BaseModel]]:
    """In an order that does not change from run to run."""
    return sorted(models, key=lambda model: (model.__name__, model.__module__))
