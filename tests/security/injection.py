"""Operators of the database where a text or an id is due: in every field, every path and every query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from tests.clients import uuid
from tests.frames import opened
from tests.security.attack import Attack, Outcome, Size, Target, ask, call
from tests.security.payloads import PAYLOADS, Ids
from tests.security.world import PASSWORD, World

OPERATORS: Final[list[Any]] = [
    {"$ne": None},
    {"$gt": ""},
    {"$regex": ".*"},
    {"$where": "while (true) {}"},
    {"$in": [None, ""]},
    {"$expr": {"$function": {"body": "function() { return true }", "args": [], "lang": "js"}}},
    {"$oid": "0" * 24},
    [{"$ne": None}],
    {"toString": "x", "__proto__": {"role": "ADMIN"}},
]
# These are texts: where a text is due they may be taken, as the text that they are.
TEXTS: Final = [
    '{"$ne": null}',
    "$ne",
    "$where",
    "a.$.b",
    "'; return true; var x = '",
    "' || '1'=='1",
    "\x00",
    "$$ROOT",
    "../../etc/passwd",
    "{{7*7}}",
    "%00",
]


async def rest(target: Target, size: Size) -> Outcome:
    """Every operation's body with an operator in each of its fields, and every path and query with a text of one."""
    outcome, world = Outcome(), target.world
    college = world.college
    async with target.session() as http:
        _, contract = await call(http, target, None, "GET", "/openapi.json")
        schemas = contract["components"]["schemas"]
        for path, item in contract["paths"].items():
            where = _filled(path, world)
            for method, operation in item.items():
                body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
                for sent in _spoilt(_resolved(schemas, body), world) if body else ():
                    status, answer = await call(http, target, college.admin, method.upper(), where, json=sent)
                    outcome.answered(f"{method} {where} {sent}", status, answer)
                    if status < 300 and not all("error" in line for line in answer.get("lines", [{}])):
                        outcome.wrong.append(f"{method} {where} takes {sent}: {status} {str(answer)[:100]}")
                for text in TEXTS:
                    for query in operation.get("parameters", ()):
                        if query["in"] != "query":
                            continue
                        for asked in (f"{query['name']}={quote(text)}", f"{query['name']}[$ne]={quote(text)}"):
                            status, answer = await call(http, target, college.admin, method.upper(), f"{where}?{asked}")
                            outcome.answered(f"{method} {where}?{asked}", status, answer)
                            if status < 300 and "[$ne]" in asked:
                                outcome.wrong.append(f"{method} {where}?{asked} is taken")
                    if "{" in path:
                        at = path.partition("{")[0] + quote(text, safe="") + path.partition("}")[2]
                        status, answer = await call(http, target, college.admin, method.upper(), at)
                        outcome.answered(f"{method} {at}", status, answer)
                        if status < 300:
                            outcome.wrong.append(f"{method} {at} is taken")
        for text in TEXTS:
            login = {"email": text, "password": text}
            status, answer = await call(http, target, None, "POST", "/routes/auth/login", json=login)
            outcome.answered("login", status, answer)
            if status < 300:
                outcome.wrong.append(f"signed in by {login}")
    return outcome


async def events(target: Target, size: Size) -> Outcome:
    """Every event's payload with an operator in each of its fields."""
    outcome, world = Outcome(), target.world
    ids = Ids(world.school.exam_id, world.school.session_id, world.school.session_id)
    people = {"/exam": world.take(1)[0], "/proctor": world.school.proctor}
    async with target.session() as http:
        for namespace, account in people.items():
            async with opened(http, target.ws_url) as frames:
                await frames.connect(namespace, {"token": account.token})
                if namespace == "/exam":
                    await frames.call(namespace, 1, "start", {"examId": ids.exam})
                number = 1
                for (where, event), payload in PAYLOADS.items():
                    if where != namespace or event == "end":
                        continue
                    good = payload(ids)
                    for name in good:
                        for operator in OPERATORS:
                            number += 1
                            ack = await ask(frames, namespace, number, event, good | {name: operator})
                            taken = outcome.acked(f"{event} {name}={operator}", ack) is None
                            if taken and not ack["data"].get("rejected"):  # a replay answers for each of its items
                                outcome.wrong.append(f"{event} takes {name}={operator}")
                        for text in TEXTS:
                            number += 1
                            ack = await ask(frames, namespace, number, event, good | {name: text})
                            outcome.acked(f"{event} {name}={text!r}", ack)
                            if ack is not None and ack["ok"] and name.endswith("Id"):
                                outcome.wrong.append(f"{event} takes {name}={text!r}")
            async with opened(http, target.ws_url) as frames:
                for operator in OPERATORS:
                    answer = await frames.connect(namespace, {"token": operator, "clientId": operator})
                    outcome.note("ok" if "sid" in answer else answer["data"]["code"])
                    if "sid" in answer:
                        outcome.wrong.append(f"{namespace} lets {operator} in")
    return outcome


def _filled(path: str, world: World) -> str:
    """The path with an id that fits, of `college`, whose people no other attack needs."""
    college = world.college
    ids = {"organisations": college.id, "users": college.admin.id, "exams": college.exam_id}
    kind = path.split("/")[2] if path.startswith("/routes/") else ""
    head, brace, tail = path.partition("{")
    return head + ids.get(kind, college.session_id) + tail.partition("}")[2] if brace else path


def _resolved(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _spoilt(schema: dict[str, Any], world: World) -> Iterator[Any]:
    """Bodies that would be good but for an operator in one field."""
    good: dict[str, Any] = {
        "email": f"{uuid()}@example.org",
        "password": PASSWORD,
        "currentPassword": PASSWORD,
        "name": "A name",
        "title": "A title",
        "duration": 60,
        "organisationId": world.college.id,
        "examId": world.college.exam_id,
        "sessionId": world.college.session_id,
    }
    properties = schema.get("properties", {})
    needed = {name: good[name] for name in schema.get("required", ()) if name in good}
    for name in properties:
        for operator in OPERATORS:
            yield needed | {name: operator}
    for operator in OPERATORS:
        yield operator
    yield needed | {"$where": "1"}
    yield needed | {"role.$ne": "ADMIN"}


INJECTION = [
    Attack("operators in REST", rest, Size(1), Size(1)),
    Attack("operators in events", events, Size(1), Size(1)),
]
