"""Who may connect, and who is put off again: tokens, roles, namespaces, assignments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import aiohttp
import jwt
import pytest
from bson import ObjectId

from models.store import Store
from models.tokens import Tokens
from server.app import Running, running
from server.settings import Settings
from tests.clients import Api, Socket, uuid
from tests.conftest import PASSWORD, SECRET, Connect, Organisation, Person, make_user
from tests.frames import opened, refusal

Act = Callable[[Organisation], Awaitable[Any]]


async def _stored_user(store: Store, person: Person) -> dict[str, Any]:
    return await store.users.by_id(ObjectId(person.id))


async def test_a_token_that_does_not_hold_is_unauthorized(
    server: Running, store: Store, school: Organisation, http: aiohttp.ClientSession
) -> None:
    good = school.student.token
    claims = jwt.decode(good, SECRET, algorithms=["HS256"], options={"verify_aud": False})
    user = await _stored_user(store, school.other_student)
    await school.other_student.api.ok("POST", "/routes/auth/logout")
    auths: dict[str, Any] = {
        "no auth": None,
        "auth is a list": [good],
        "auth is text": good,
        "no token": {},
        "token is null": {"token": None},
        "token is a number": {"token": 1},
        "token is empty": {"token": ""},
        "token is garbage": {"token": "garbage"},
        "token with another signature": {"token": good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB")},
        "token of another secret": {"token": jwt.encode(claims, SECRET[::-1], algorithm="HS256")},
        "token without a signature": {"token": jwt.encode(claims, None, algorithm="none")},
        "token with another role": {"token": jwt.encode(claims | {"role": "ADMIN"}, SECRET, algorithm="HS256")},
        "token for nobody": {"token": jwt.encode(claims | {"sub": str(ObjectId())}, SECRET, algorithm="HS256")},
        "token expired": {"token": Tokens(store.database, SECRET, timedelta(seconds=-1)).issue(user)},
        "token revoked": {"token": school.other_student.token},
        "token is bad and clientId too": {"token": "garbage", "clientId": "no uuid"},
    }
    for namespace in ("/exam", "/proctor"):
        codes = {name: await refusal(http, server.ws_url, namespace, auth) for name, auth in auths.items()}
        assert codes == dict.fromkeys(auths, "unauthorized"), namespace


async def test_each_namespace_takes_its_roles_and_no_other(
    server: Running, sales: Person, school: Organisation, http: aiohttp.ClientSession
) -> None:
    people = {"SALES": sales, "ADMIN": school.admin, "PROCTOR": school.proctor, "STUDENT": school.student}
    wanted = {
        ("/exam", "SALES"): "forbidden",
        ("/exam", "ADMIN"): "forbidden",
        ("/exam", "PROCTOR"): "forbidden",
        ("/exam", "STUDENT"): None,
        ("/proctor", "SALES"): "forbidden",
        ("/proctor", "ADMIN"): None,
        ("/proctor", "PROCTOR"): None,
        ("/proctor", "STUDENT"): "forbidden",
    }
    found = {
        (namespace, role): await refusal(http, server.ws_url, namespace, {"token": people[role].token})
        for namespace, role in wanted
    }
    assert found == wanted


async def test_a_client_id_is_a_uuid_or_left_out(
    server: Running, school: Organisation, http: aiohttp.ClientSession
) -> None:
    bad: list[Any] = ["", "no uuid", uuid()[:-1], uuid() + "0", uuid() + "\n", "g" * 36, 5, True, {}, [uuid()]]
    for client_id in bad:
        auth = {"token": school.student.token, "clientId": client_id}
        assert await refusal(http, server.ws_url, "/exam", auth) == "invalid_payload", repr(client_id)
    for auth in ({}, {"clientId": uuid()}, {"clientId": uuid().upper()}):
        assert await refusal(http, server.ws_url, "/exam", {"token": school.student.token} | auth) is None
    # The role is looked at before the payload.
    auth = {"token": school.student.token, "clientId": "no uuid"}
    assert await refusal(http, server.ws_url, "/proctor", auth) == "forbidden"


async def test_any_other_namespace_is_not_found(
    server: Running, school: Organisation, http: aiohttp.ClientSession
) -> None:
    for namespace in ("/", "/nothing", "/EXAM", "/exam/", "/proctors", "/*", "/__init__"):
        for auth in (None, {"token": school.student.token}, {"token": school.admin.token}):
            assert await refusal(http, server.ws_url, namespace, auth) == "not_found", (namespace, auth)


async def test_a_refused_client_may_try_again_on_the_same_connection(
    server: Running, school: Organisation, http: aiohttp.ClientSession
) -> None:
    async with opened(http, server.ws_url) as frames:
        assert "data" in await frames.connect("/exam", {"token": "garbage"})
        assert "data" in await frames.connect("/", {"token": school.student.token})
        assert "sid" in await frames.connect("/exam", {"token": school.student.token})
        assert (await frames.call("/exam", 1, "start", {"examId": school.exam_id}))["ok"] is True


async def test_a_client_library_is_told_the_code_and_a_message(server: Running, school: Organisation) -> None:
    socket = Socket(server.ws_url, "/exam")
    told: list[Any] = []
    socket.client.on("connect_error", told.append, namespace="/exam")
    with pytest.raises(Exception, match=r"refused|namespaces failed"):
        await socket.connect(school.proctor.token)
    await socket.close()
    assert told[0]["data"]["code"] == "forbidden"
    assert told[0]["data"]["message"]


async def test_a_token_that_expires_closes_its_sockets_within_three_seconds(
    settings: Settings, school: Organisation, connect: Connect, http: aiohttp.ClientSession
) -> None:
    lasting = await connect("/exam", school.other_student.token)
    async with running(settings.model_copy(update={"token_ttl_hours": 2 / 3600})) as brief:
        api = Api(http, brief.url, school.admin.api.contract)
        answer = await api.ok("POST", "/routes/auth/login", {"email": school.student.email, "password": PASSWORD})
        assert answer["expiresIn"] == 2
        socket = await Socket(brief.ws_url, "/exam").connect(answer["token"])
        await socket.ok("start", {"examId": school.exam_id})
        await asyncio.wait_for(socket.gone.wait(), 2 + 3)
        assert await refusal(http, brief.ws_url, "/exam", {"token": answer["token"]}) == "unauthorized"
    assert not lasting.gone.is_set()


async def _log_out(school: Organisation) -> None:
    await school.student.api.ok("POST", "/routes/auth/logout")


async def _delete(school: Organisation) -> None:
    await school.admin.api.ok("DELETE", f"/routes/users/{school.student.id}")


async def _change_role(school: Organisation) -> None:
    await school.admin.api.ok("PUT", f"/routes/users/{school.student.id}", {"role": "PROCTOR"})


async def _have_password_changed(school: Organisation) -> None:
    await school.admin.api.ok("PUT", f"/routes/users/{school.student.id}", {"password": "another one"})


async def _change_password(school: Organisation) -> None:
    body = {"password": "another one", "currentPassword": PASSWORD}
    await school.student.api.ok("PUT", f"/routes/users/{school.student.id}", body)


@pytest.mark.parametrize(
    "revoke", [_log_out, _delete, _change_role, _have_password_changed, _change_password], ids=lambda act: act.__name__
)
async def test_a_revoked_token_closes_all_its_sockets_at_once_and_no_others(
    school: Organisation, connect: Connect, server: Running, http: aiohttp.ClientSession, revoke: Act
) -> None:
    sockets = [await connect("/exam", school.student.token) for _ in range(2)]
    if revoke is not _delete:  # one who has sessions is not deleted
        await sockets[0].ok("start", {"examId": school.exam_id})
    other = await connect("/exam", school.other_student.token)
    console = await connect("/proctor", school.proctor.token)
    async with opened(http, server.ws_url) as frames:
        await frames.connect("/exam", {"token": school.student.token})
        await revoke(school)
        await asyncio.wait_for(asyncio.gather(*(socket.closed() for socket in sockets)), 1)
        ack = await frames.call("/exam", 1, "start", {"examId": school.exam_id})
        assert ack is None or ack["error"]["code"] == "unauthorized"
    assert await refusal(http, server.ws_url, "/exam", {"token": school.student.token}) == "unauthorized"
    await other.ok("start", {"examId": school.exam_id})
    await console.ok("join", {"examId": school.exam_id})


async def test_a_log_out_leaves_the_sockets_of_the_users_other_token(
    school: Organisation, connect: Connect, api: Api
) -> None:
    again = await api.ok("POST", "/routes/auth/login", {"email": school.proctor.email, "password": PASSWORD})
    first = await connect("/proctor", school.proctor.token)
    second = await connect("/proctor", again["token"])
    await school.proctor.api.ok("POST", "/routes/auth/logout")
    await first.closed()
    await second.ok("join", {"examId": school.exam_id})


async def _remove(school: Organisation, person: Person) -> None:
    body = {"remove": [person.id]}
    await school.admin.api.ok("POST", f"/routes/exams/{school.exam_id}/users", body)


async def _put_others(school: Organisation, person: Person) -> None:
    body = {"users": [one for one in school.exam["users"] if one != person.id]}
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", body)


@pytest.mark.parametrize("remove", [_remove, _put_others], ids=lambda act: act.__name__)
async def test_who_is_removed_from_an_exam_loses_its_sockets_and_its_access_at_once(
    school: Organisation, connect: Connect, remove: Callable[[Organisation, Person], Awaitable[None]]
) -> None:
    student = await connect("/exam", school.student.token)
    other = await connect("/exam", school.other_student.token)
    console = await connect("/proctor", school.proctor.token)
    admin = await connect("/proctor", school.admin.token)
    for socket, event in ((student, "start"), (other, "start"), (console, "join"), (admin, "join")):
        await socket.ok(event, {"examId": school.exam_id})

    await remove(school, school.student)
    await asyncio.wait_for(student.closed(), 1)
    again = await connect("/exam", school.student.token)
    assert await again.code("start", {"examId": school.exam_id}) == "not_found"
    await other.ok("tab_change", {})
    assert (await console.activity("tab_change"))["userId"] == school.other_student.id

    await _remove(school, school.proctor)
    await asyncio.wait_for(console.closed(), 1)
    again = await connect("/proctor", school.proctor.token)
    assert await again.code("join", {"examId": school.exam_id}) == "not_found"
    await other.ok("tab_change", {})
    await admin.activity("tab_change")
    await again.silence("activity")


async def test_a_removal_leaves_a_console_that_watches_another_exam(school: Organisation, connect: Connect) -> None:
    body = {"title": "Physics", "duration": 30, "users": [school.proctor.id]}
    physics = await school.admin.api.ok("POST", "/routes/exams", body)
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": physics["id"]})
    await _remove(school, school.proctor)
    await console.ok("join", {"examId": physics["id"]})


async def test_polling_carries_events_acks_and_pushes(settings: Settings, school: Organisation) -> None:
    # A server of its own, whose end ends the polls: python-engineio leaves the poll of a client that closes hanging.
    async with running(settings) as server:
        student = await Socket(server.ws_url, "/exam").connect(school.student.token, uuid(), transport="polling")
        console = await Socket(server.ws_url, "/proctor").connect(school.proctor.token, transport="polling")
        assert student.client.transport() == console.client.transport() == "polling"
        await console.ok("join", {"examId": school.exam_id})
        await student.ok("start", {"examId": school.exam_id})
        ack = await student.ok("tab_change", {"seq": 1})
        assert (await console.activity("tab_change"))["offset"] == ack["offset"]
        await console.ok("chat", {"requestId": uuid(), "examId": school.exam_id, "text": "Hello"})
        assert (await student.next("chat"))["text"] == "Hello"
    await asyncio.gather(student.closed(), console.closed())
    await asyncio.gather(student.close(), console.close())


def _once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, then: Callable[[], Awaitable[Any]]) -> None:
    """Let `then` happen right after the next call of `owner.name` has got its answer, and before it returns it."""
    real = getattr(owner, name)

    async def meanwhile(*args: Any) -> Any:
        answer = await real(*args)
        monkeypatch.setattr(owner, name, real)
        await then()
        return answer

    monkeypatch.setattr(owner, name, meanwhile)


async def test_a_token_revoked_while_its_socket_connects_does_not_stay_connected(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _once(monkeypatch, store.tokens, "verify", lambda: _log_out(school))
    try:
        socket = await connect("/exam", school.student.token)
    except Exception:  # noqa: BLE001 refused is as good
        return
    await asyncio.wait_for(socket.gone.wait(), 3)


async def _ends(socket: Socket, event: str, payload: dict[str, str]) -> None:
    """The event is refused, or its connection is closed: before its ack or right after it."""
    call = asyncio.ensure_future(socket.call(event, payload))
    gone = asyncio.ensure_future(socket.gone.wait())
    await asyncio.wait({call, gone}, return_when=asyncio.FIRST_COMPLETED)
    if call.done() and not call.result()["ok"]:
        assert call.result()["error"]["code"] in ("not_found", "unauthorized")
    else:
        await asyncio.wait_for(gone, 3)
    for task in (call, gone):
        task.cancel()


async def test_who_is_removed_while_starting_does_not_stay(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await connect("/exam", school.student.token)
    await before.ok("start", {"examId": school.exam_id})
    await before.close()
    student = await connect("/exam", school.student.token)
    _once(monkeypatch, store.exams, "get", lambda: _remove(school, school.student))
    await _ends(student, "start", {"examId": school.exam_id})


async def test_who_is_removed_while_joining_is_pushed_nothing(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = await connect("/proctor", school.proctor.token)
    _once(monkeypatch, store.exams, "get", lambda: _remove(school, school.proctor))
    await _ends(console, "join", {"examId": school.exam_id})


async def test_a_new_user_of_the_same_address_does_not_get_the_old_ones_token_back(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    old = school.student.token
    await _delete(school)
    again = await make_user(school.admin.api, school.id, "STUDENT", school.student.email)
    assert await refusal(http, server.ws_url, "/exam", {"token": old}) == "unauthorized"
    assert await refusal(http, server.ws_url, "/exam", {"token": again.token}) is None
