"""The published contract: complete, valid, and the same as what is served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import hdrs, web
from openapi_spec_validator import OpenAPIV31SpecValidator

from models.store import Store
from server.app import create_app
from server.pages import PAGES
from server.settings import Settings
from tests.clients import Api
from tests.conftest import Organisation

ANYONE = {
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/openapi.json"),
    ("get", "/asyncapi.json"),
    ("post", "/routes/auth/login"),
}
MAYBE_ANYONE = {("post", "/routes/users")}
WITH_BODY = {
    ("post", "/routes/auth/login"), ("post", "/routes/organisations"), ("put", "/routes/organisations/{id}"),
    ("post", "/routes/users"), ("put", "/routes/users/{id}"), ("post", "/routes/exams"), ("put", "/routes/exams/{id}"),
    ("post", "/routes/exams/{id}/users"), ("post", "/routes/proctoring/start"),
    ("post", "/routes/proctoring/tab-change"), ("post", "/routes/proctoring/heartbeat"),
    ("post", "/routes/users/import"),
}  # fmt: skip
# Their answers hold a password or a token, so none is kept.
NOT_REPEATABLE = {
    "/routes/auth/login", "/routes/auth/logout", "/routes/users/import", "/routes/users/{id}/password",
}  # fmt: skip
QUERIES = {
    "/routes/organisations": {"limit"},
    "/routes/users": {"limit"},
    "/routes/exams": {"limit"},
    "/routes/exams/{id}/activity": {"since", "limit"},
    "/routes/proctoring": {"examId", "status", "limit"},
    "/routes/proctoring/{sessionId}/activity": {"since", "type", "limit"},
    "/routes/proctoring/{sessionId}/heartbeats": {"from", "to", "limit"},
}
SESSION = """id rev status connectivity startTime endTime examId userId organisationId lastHeartbeatAt user createdAt
    updatedAt activatedAt deadline timeLedger remainingMs hand verdict counts lastActivityAt"""
EXAM = """id title duration organisationId users startsAt endsAt rehearsal policy accommodations createdAt
    updatedAt"""
COMMAND = """id examId sessionId action reason text minutes actorId fate createdAt deliveredAt acknowledgedAt
    expiresAt"""
ACTIVITY = """id offset examId sessionId userId organisationId type severity source actorId clientId seq occurredAt
    receivedAt late data"""


def operations(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "head":  # HEAD is GET without the body, published or not
                yield (method, path), operation


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


async def test_the_document_is_valid_openapi(api: Api) -> None:
    assert api.contract["openapi"].startswith("3.1.")
    errors = OpenAPIV31SpecValidator(api.contract).iter_errors()
    assert [(list(error.absolute_path), error.message) for error in errors] == []


async def test_the_document_has_every_route_and_no_other(settings: Settings, store: Store, api: Api) -> None:
    app = create_app(settings, store).app
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if isinstance(route.resource, web.Resource) and route.method not in (hdrs.METH_HEAD, hdrs.METH_OPTIONS)
    }
    pages = {f"/{page}" for page in PAGES} | {"/assets/{file}", "/client/{file}"}
    served = {(method, path) for method, path in served if not path.startswith("/socket.io") and path not in pages}
    assert served == {key for key, _ in operations(api.contract)}


async def test_every_operation_documents_its_errors(api: Api) -> None:
    for key, operation in operations(api.contract):
        schema = operation["responses"]["default"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Error"}, key
    error = api.contract["components"]["schemas"]["Error"]["properties"]["error"]
    assert error["required"] == ["code", "message"]
    http_codes = {
        "payload_too_large", "unauthorized", "rate_limited", "forbidden", "not_found", "method_not_allowed",
        "invalid_payload", "conflict", "unavailable", "internal",
    }  # fmt: skip
    assert http_codes <= set(error["properties"]["code"]["enum"])


async def test_every_operation_says_what_a_success_looks_like(api: Api) -> None:
    for key, operation in operations(api.contract):
        successes = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        expected = "204" if key[0] == "delete" or key[1].endswith("/logout") else None
        assert successes, key
        assert expected in (None, *successes), key
        for status, answer in successes.items():
            assert ("content" in answer) == (status != "204"), key


async def test_every_operation_says_whether_it_wants_a_token(api: Api) -> None:
    scheme = api.contract["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for key, operation in operations(api.contract):
        wanted = [{"token": []}]
        if key in ANYONE:
            assert {} in operation["security"] or operation["security"] == [], key
        elif key in MAYBE_ANYONE:
            assert sorted(map(str, operation["security"])) == ["{'token': []}", "{}"], key
        else:
            assert operation["security"] == wanted, key


async def test_an_operation_that_takes_a_body_has_its_closed_schema(api: Api) -> None:
    with_body = {key: operation for key, operation in operations(api.contract) if "requestBody" in operation}
    assert with_body.keys() == WITH_BODY
    for key, operation in with_body.items():
        assert operation["requestBody"]["required"] is True, key
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        schema = resolved(api.contract, schema.get("items", schema))
        assert schema["type"] == "object", key
        assert schema["additionalProperties"] is False, key


async def test_an_operation_names_its_parameters(api: Api) -> None:
    for (method, path), operation in operations(api.contract):
        parameters = operation.get("parameters", [])
        in_path = {one["name"] for one in parameters if one["in"] == "path"}
        assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path
        in_query = {one["name"]: one for one in parameters if one["in"] == "query"}
        assert in_query.keys() >= (QUERIES.get(path, set()) if method == "get" else set()), (method, path)
        assert not any(one.get("required") for one in in_query.values()), path
        if "limit" in in_query:
            schema = in_query["limit"]["schema"]
            assert (schema["minimum"], schema["maximum"], schema["default"]) == (1, 500, 100), path
        if method == "post":
            headers = {one["name"] for one in parameters if one["in"] == "header"}
            assert ("Idempotency-Key" in headers) == (path not in NOT_REPEATABLE), path


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("User", "id name email role organisationId createdAt updatedAt"),
        ("Organisation", "id name selfRegistration retention createdAt updatedAt"),
        ("Exam", EXAM),
        ("ProctoringSession", SESSION),
        ("Activity", ACTIVITY),
        ("Command", COMMAND),
    ],
)
async def test_a_document_has_the_fields_of_the_contract(api: Api, name: str, fields: str) -> None:
    assert set(api.contract["components"]["schemas"][name]["properties"]) == set(fields.split())


async def test_a_start_may_answer_200_and_201(api: Api) -> None:
    responses = api.contract["paths"]["/routes/proctoring/start"]["post"]["responses"]
    assert {"200", "201"} <= responses.keys()


async def test_the_document_is_the_same_for_everybody(api: Api, school: Organisation) -> None:
    assert await school.student.api.ok("GET", "/openapi.json") == api.contract
