"""The error envelope, the order of errors, and all that a request can get wrong. Never a 500."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.clients import Answer, Api, uuid
from tests.conftest import PASSWORD, Organisation, Person, make_exam
from tests.test_organisations import UNKNOWN

MIB = 1024**2
JSON = {"Content-Type": "application/json"}
STATUS = {
    "payload_too_large": 413, "unauthorized": 401, "forbidden": 403, "not_found": 404, "method_not_allowed": 405,
    "invalid_payload": 422, "conflict": 409,
}  # fmt: skip


async def send(api: Api, method: str, path: str, data: Any, **headers: str) -> Answer:
    """A raw body; nothing that is sent is our fault."""
    body = io.BytesIO(data) if isinstance(data, bytes) else data  # aiohttp warns of long bytes
    answer = await api.call(method, path, data=body, headers=JSON | headers)
    assert answer.status < 500, (method, path, answer)
    return answer


async def chunks(size: int) -> AsyncIterator[bytes]:
    while size > 0:
        yield b" " * min(size, 65536)
        size -= 65536


async def test_every_error_has_the_envelope_and_the_status_of_its_code(school: Organisation, api: Api) -> None:
    admin = school.admin.api
    answers = [
        await send(admin, "POST", "/routes/exams", b" " * (MIB + 1)),
        await api.call("GET", "/routes/users"),
        await admin.call("POST", "/routes/organisations", {"name": "Mine"}),
        await admin.call("GET", f"/routes/exams/{UNKNOWN}"),
        await admin.call("PATCH", "/routes/exams"),
        await admin.call("POST", "/routes/exams", {"title": 7, "duration": "60", "unknown": 1}),
        await admin.call("DELETE", f"/routes/users/{school.admin.id}"),
    ]
    for answer, (code, status) in zip(answers, STATUS.items(), strict=True):
        assert (answer.code, answer.status) == (code, status)
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.body.keys() == {"error"}
        assert answer.body["error"].keys() <= {"code", "message", "details"}
        assert answer.body["error"]["message"]
    details = answers[5].body["error"]["details"]
    assert sorted(one["loc"][-1] for one in details) == ["duration", "title", "unknown"]
    assert all(one.keys() == {"loc", "msg"} for one in details)


async def test_a_refusal_does_not_repeat_what_was_sent(api: Api, school: Organisation) -> None:
    body = {"name": "N", "email": "n@example.com", "password": ["a secret"], "organisationId": school.id}
    answer = await api.call("POST", "/routes/users", body)
    assert answer.code == "invalid_payload"
    assert "a secret" not in json.dumps(answer.body)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/routes/auth/login"),
        ("POST", "/routes/users"),
        ("POST", "/routes/organisations"),
        ("PUT", f"/routes/exams/{UNKNOWN}"),
        ("PUT", "/routes/users/no-id"),
        ("DELETE", f"/routes/exams/{UNKNOWN}"),
        ("POST", "/routes/nowhere"),
        ("PATCH", "/routes/exams"),
    ],
)
async def test_too_large_is_said_first(api: Api, school: Organisation, method: str, path: str, chunked: bool) -> None:
    for caller in (api, school.student.api):
        body = chunks(MIB + 1) if chunked else b" " * (MIB + 1)
        assert (await send(caller, method, path, body)).code == "payload_too_large"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_one_mebibyte_is_not_too_large(school: Organisation, chunked: bool) -> None:
    body = chunks(MIB) if chunked else b" " * MIB
    assert (await send(school.admin.api, "POST", "/routes/exams", body)).code == "invalid_payload"


@pytest.mark.parametrize(
    ("role", "method", "path", "body", "code"),
    [
        # unauthorized before forbidden, not_found, method_not_allowed, invalid_payload
        (None, "POST", "/routes/organisations", {"name": ""}, "unauthorized"),
        (None, "GET", "/routes/exams/no-id", None, "unauthorized"),
        (None, "GET", "/routes/nowhere", None, "unauthorized"),
        (None, "PATCH", "/routes/exams", None, "unauthorized"),
        (None, "GET", "/routes/users?limit=0", None, "unauthorized"),
        # forbidden before not_found, invalid_payload
        ("student", "DELETE", f"/routes/users/{UNKNOWN}", None, "forbidden"),
        ("proctor", "PUT", "/routes/exams/no-id", {"title": ""}, "forbidden"),
        ("proctor", "PUT", "/routes/organisations/{college}", {"name": ""}, "forbidden"),
        ("sales", "GET", f"/routes/proctoring/{UNKNOWN}?x=1", None, "forbidden"),
        ("admin", "POST", "/routes/organisations", {"name": ""}, "forbidden"),
        ("student", "POST", "/routes/users", {"name": ""}, "forbidden"),
        ("proctor", "POST", "/routes/users", {}, "forbidden"),
        ("student", "GET", "/routes/proctoring?limit=0", None, "forbidden"),
        ("admin", "POST", "/routes/proctoring/start", {"examId": "x"}, "forbidden"),
        # not_found before method_not_allowed, invalid_payload, conflict
        ("admin", "PATCH", "/routes/nowhere", None, "not_found"),
        ("admin", "PUT", f"/routes/exams/{UNKNOWN}", {"title": ""}, "not_found"),
        ("admin", "PUT", "/routes/exams/no-id", {"title": ""}, "not_found"),
        ("admin", "GET", f"/routes/proctoring/{UNKNOWN}/activity?limit=0", None, "not_found"),
        ("admin", "POST", f"/routes/exams/{UNKNOWN}/users", {"add": "x"}, "not_found"),
        ("student", "PUT", "/routes/users/{other}", {"unknown": 1}, "not_found"),
        # method_not_allowed before invalid_payload
        ("admin", "PATCH", "/routes/exams?limit=0", {"title": ""}, "method_not_allowed"),
        # invalid_payload before what an id in the payload names, and before conflict
        ("student", "POST", "/routes/proctoring/start", {"examId": UNKNOWN, "x": 1}, "invalid_payload"),
        ("student", "POST", "/routes/proctoring/tab-change", {"sessionId": UNKNOWN, "hidden": 1}, "invalid_payload"),
        ("student", "POST", "/routes/proctoring/tab-change", {"sessionId": "{over}", "hidden": 1}, "invalid_payload"),
        ("admin", "POST", "/routes/exams", {"title": "T", "duration": 0, "organisationId": UNKNOWN}, "invalid_payload"),
        ("admin", "PUT", "/routes/exams/{exam}", {"duration": 0}, "invalid_payload"),
        ("admin", "PUT", "/routes/users/{student}", {"email": "admin@school.example.com", "x": 1}, "invalid_payload"),
        ("admin", "GET", f"/routes/proctoring?examId={UNKNOWN}&limit=0", None, "invalid_payload"),
        ("admin", "DELETE", "/routes/users/{admin}?x=1", None, "invalid_payload"),
        ("student", "POST", "/routes/proctoring/start", {"examId": UNKNOWN}, "not_found"),
        ("admin", "PUT", "/routes/exams/{exam}", {"duration": 1}, "conflict"),
    ],
    ids=str,
)
async def test_errors_are_tried_in_the_order_of_the_contract(
    api: Api, sales: Person, school: Organisation, college: Organisation,
    role: str | None, method: str, path: str, body: Any, code: str,
) -> None:  # fmt: skip
    over = await make_exam(school.admin, school.other_student, school.student)
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": over["id"]})
    await school.admin.api.ok("PUT", f"/routes/proctoring/end/{session['id']}")
    await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    names = {"college": college.id, "exam": school.exam_id, "over": session["id"], "admin": school.admin.id,
             "student": school.student.id, "other": school.other_student.id}  # fmt: skip
    if isinstance(body, dict):
        body = {key: session["id"] if value == "{over}" else value for key, value in body.items()}
    caller = api if role is None else sales.api if role == "sales" else getattr(school, role).api
    assert await caller.code(method, path.format(**names), body) == code


async def test_a_payload_is_checked_before_the_key_that_it_comes_with(school: Organisation) -> None:
    headers = {"Idempotency-Key": uuid()}
    await school.admin.api.ok("POST", "/routes/exams", {"title": "T", "duration": 1}, headers=headers)
    body = {"title": "T", "duration": 0}
    assert await school.admin.api.code("POST", "/routes/exams", body, headers=headers) == "invalid_payload"


BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b"  ",
    "no JSON": b"title=Algebra&duration=60",
    "cut off": b'{"title": "Algebra", "dur',
    "two objects": b'{"title": "A", "duration": 1}{}',
    "not UTF-8": b'{"title": "\xff\xfe", "duration": 60}',
    "UTF-16": '{"title": "A", "duration": 60}'.encode("utf-16"),
    "NaN": b'{"title": "A", "duration": NaN}',
    "Infinity": b'{"title": "A", "duration": Infinity}',
    "infinite": b'{"title": "A", "duration": 1e999}',
    "lone surrogate": b'{"title": "\\ud800", "duration": 60}',
    "lone surrogate as a name": b'{"title": "A", "duration": 60, "\\udfff": 1}',
    "raw surrogate": b'{"title": "\xed\xa0\x80", "duration": 60}',
    "1000 digits": b'{"title": "A", "duration": ' + b"9" * 1000 + b"}",
    "1000 digits unknown": b'{"title": "A", "duration": 60, "x": ' + b"9" * 1000 + b"}",
    "10,000 deep": b'{"title": ' + b"[" * 10_000 + b"]" * 10_000 + b', "duration": 60}',
    "10,000 objects deep": b'{"title":' * 10_000 + b"1" + b"}" * 10_000,
    "array": b'[{"title": "A", "duration": 60}]',
    "text": b'"title"',
    "number": b"60",
    "null": b"null",
    "true": b"true",
    "comment": b'{"title": "A", "duration": 60} // exam',
    "single quotes": b"{'title': 'A', 'duration': 60}",
    "control character": b'{"title": "A\nB", "duration": 60}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_what_is_no_json_object_is_refused(school: Organisation, body: bytes) -> None:
    for path in ("/routes/exams", f"/routes/exams/{school.exam_id}/users"):
        assert (await send(school.admin.api, "POST", path, body)).code == "invalid_payload"
    assert (await send(school.admin.api, "PUT", f"/routes/exams/{school.exam_id}", body)).code == "invalid_payload"
    assert (await send(school.admin.api, "POST", "/routes/auth/login", body)).code == "invalid_payload"
    assert [one["id"] for one in await school.admin.api.ok("GET", "/routes/exams")] == [school.exam_id]


async def test_no_body_makes_any_route_fail(sales: Person, school: Organisation, api: Api) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    ids = {"organisations": school.id, "users": school.proctor.id, "exams": school.exam_id, "proctoring": session["id"]}
    callers = [api, sales.api, school.admin.api, school.student.api]
    fields = {"name", "email", "password", "role", "organisationId", "title", "duration", "users", "examId",
              "sessionId", "hidden", "add", "startsAt", "currentPassword", "selfRegistration"}  # fmt: skip
    odd: list[Any] = [None, -1, 2**70, 1.5, True, "", "\0", "x" * 5000, [], [[]], {}, {"$gt": ""}, {"$where": "1"}]
    bodies = [json.dumps(dict.fromkeys(fields, value)).encode() for value in odd]
    bodies += [json.dumps({field: value}).encode() for field in ("name", "users", "hidden") for value in odd]
    for path, item in api.contract["paths"].items():
        for method in item.keys() & {"post", "put"}:
            where = path.replace("{id}", ids[path.split("/")[2]] if "{id}" in path else "")
            for caller in callers:
                for body in [*bodies, *BODIES.values()]:
                    await send(caller, method.upper(), where.replace("{sessionId}", UNKNOWN), body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json; charset=nonsense"},
        {"Content-Type": "nonsense"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "nonsense"},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "x" * 4000},
        {"Idempotency-Key": "{'$gt': ''}"},
    ],
    ids=str,
)
async def test_no_header_makes_a_request_fail(school: Organisation, headers: dict[str, str]) -> None:
    answer = await school.admin.api.call(
        "POST", "/routes/exams", data=b'{"title": "A", "duration": 60}', headers=JSON | headers
    )
    assert answer.status in (201, 422), answer


async def test_a_small_body_that_unpacks_to_a_large_one_is_too_large(school: Organisation) -> None:
    packed = gzip.compress(b" " * (2 * MIB))
    answer = await send(school.admin.api, "POST", "/routes/exams", packed, **{"Content-Encoding": "gzip"})
    assert answer.code == "payload_too_large"


@pytest.mark.parametrize("path", ["/nowhere", "/routes/exams/", "/routes", "/routes/exams/{}/nowhere", "/routes/Exams",
                                  "/routes//exams", "/routes/proctoring/end"])  # fmt: skip
async def test_an_unknown_route_is_not_found(school: Organisation, path: str) -> None:
    answer = await school.admin.api.call("GET", path.format(school.exam_id))
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("bad", ["x", "0", "f" * 23, "f" * 25, "g" * 24, "%00", "%ff", "é" * 12, "..%2F" + "f" * 24,
                                 "{'$gt': ''}", "%20" + "f" * 24, "null", "me"])  # fmt: skip
async def test_an_id_in_a_path_that_is_none_is_not_found(sales: Person, school: Organisation, bad: str) -> None:
    for path in ("/routes/exams/{}", "/routes/proctoring/{}", "/routes/users/{}", "/routes/organisations/{}",
                 "/routes/exams/{}/activity", "/routes/proctoring/{}/heartbeats"):  # fmt: skip
        assert await school.admin.api.code("GET", path.format(bad)) == "not_found", path
    for path in ("/routes/exams/{}", "/routes/users/{}", "/routes/proctoring/end/{}"):
        assert await school.admin.api.code("PUT", path.format(bad), {}) == "not_found", path
    assert await sales.api.code("DELETE", f"/routes/organisations/{bad}") == "not_found"


@pytest.mark.parametrize(
    ("path", "wrong", "allowed"),
    [
        ("/routes/exams", ["PUT", "PATCH", "DELETE", "OPTIONS"], {"GET", "POST"}),
        ("/routes/exams/{exam}", ["POST", "PATCH"], {"GET", "PUT", "DELETE"}),
        ("/routes/exams/{exam}/users", ["GET", "PUT", "DELETE"], {"POST"}),
        ("/routes/proctoring/end/{exam}", ["GET", "POST"], {"PUT"}),
        ("/routes/proctoring/start", ["GET", "PUT", "DELETE"], {"POST"}),
        ("/routes/proctoring/tab-change", ["GET", "PUT"], {"POST"}),
        ("/routes/proctoring/heartbeat", ["GET", "PUT"], {"POST"}),
        ("/routes/users/import", ["GET", "PUT", "DELETE"], {"POST"}),
        ("/routes/auth/logout", ["GET"], {"POST"}),
        ("/routes/auth/login", ["GET", "PUT"], {"POST"}),
        ("/healthz", ["POST"], {"GET"}),
        ("/openapi.json", ["PUT"], {"GET"}),
    ],
)
async def test_a_wrong_method_is_told_which_are_allowed(
    school: Organisation, path: str, wrong: list[str], allowed: set[str]
) -> None:
    for method in wrong:
        answer = await school.admin.api.call(method, path.format(exam=school.exam_id))
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert {one.strip() for one in answer.headers["Allow"].split(",")} - {"HEAD"} == allowed


@pytest.mark.parametrize("path", ["/routes/auth/login", "/healthz"])
async def test_a_wrong_method_of_a_public_route_needs_no_token(api: Api, path: str) -> None:
    assert await api.code("DELETE", path) == "method_not_allowed"


async def test_a_query_is_of_known_names_each_given_once(school: Organisation) -> None:
    exam, admin = school.exam_id, school.admin.api
    for path in ("/routes/exams?page=2", "/routes/exams?Limit=5", "/routes/users?limit=5&limit=5",
                 f"/routes/exams/{exam}?x=1", f"/routes/exams/{exam}/activity?type=chat", "/routes/auth/me?x=1",
                 f"/routes/proctoring?examId={exam}&examId={exam}", "/routes/proctoring?examId[$ne]=x",
                 "/routes/proctoring?status[$ne]=ACTIVE", "/routes/proctoring?status=$ne"):  # fmt: skip
        assert await admin.code("GET", path) == "invalid_payload", path
    assert await admin.code("POST", "/routes/exams?x=1", {"title": "A", "duration": 1}) == "invalid_payload"
    assert await admin.code("PUT", f"/routes/exams/{exam}?x=1", {"title": "A"}) == "invalid_payload"
    assert await admin.code("POST", "/routes/auth/logout?x=1") == "invalid_payload"
    assert await admin.code("GET", "/routes/exams") is None


@pytest.mark.parametrize("name", ["Zoë 学校 🎓 مدرسة", "O'Neill \"Bob\" \\", "$where", '{"$gt": ""}', "a.b.$c",
                                  "<b>x</b>", "%s{0}", "e\u0301", "line\nbreak",
                                  "\U0001f468\u200d\U0001f469"])  # fmt: skip
async def test_a_name_is_kept_as_it_was_sent(school: Organisation, name: str) -> None:
    made = await school.admin.api.ok("POST", "/routes/exams", {"title": name, "duration": 1})
    assert (await school.admin.api.ok("GET", f"/routes/exams/{made['id']}"))["title"] == name
    await school.admin.api.ok("PUT", f"/routes/users/{school.student.id}", {"name": name})
    assert (await school.student.api.ok("GET", "/routes/auth/me"))["name"] == name


async def test_an_operator_in_a_value_finds_nothing(api: Api, school: Organisation) -> None:
    login = "/routes/auth/login"
    for value in ({"$gt": ""}, {"$ne": None}, {"$regex": ".*"}, ["$gt"]):
        assert await api.code("POST", login, {"email": value, "password": PASSWORD}) == "invalid_payload"
        assert await api.code("POST", login, {"email": school.admin.email, "password": value}) == "invalid_payload"
        start = {"examId": value}
        assert await school.student.api.code("POST", "/routes/proctoring/start", start) == "invalid_payload"
    for text in ('{"$gt": ""}', "$ne", ".*"):
        assert await api.code("POST", login, {"email": text, "password": PASSWORD}) == "unauthorized"


async def test_a_wrong_content_type_does_not_make_a_request_fail(school: Organisation) -> None:
    form = aiohttp.FormData({"title": "A", "duration": "60"})
    answer = await school.admin.api.call("POST", "/routes/exams", data=form)
    assert (answer.status, answer.code) == (422, "invalid_payload")


@pytest.mark.parametrize("depth", [50, 900, 990, 1000, 1010, 1020, 1100])
async def test_a_body_nested_to_any_depth_is_refused_as_invalid(school: Organisation, depth: int) -> None:
    body = b'{"title":' + b"[" * depth + b"]" * depth + b"}"
    headers = {"Content-Type": "application/json"}
    answer = await school.admin.api.call("POST", "/routes/exams", data=body, headers=headers)
    assert (answer.status, answer.code) == (422, "invalid_payload")
