"""The audit log: what staff did and whose records they opened, for ADMINs to read and for nobody to change."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from models import audit as audit_module
from models.actors import Actor, Role
from models.audit import Audit
from models.fields import format_instant, now
from models.store import Store
from tests.clients import uuid
from tests.conftest import PASSWORD, Connect, Organisation, Person, make_exam, make_user
from tests.privacy import sit
from tests.test_starting import Failing

PATH = "/routes/audit"


async def entries(person: Person, query: str = "") -> list[Any]:
    """From the oldest on."""
    found: list[Any] = await person.api.ok("GET", f"{PATH}?{query}")
    return found[::-1]


def short(found: list[Any]) -> list[tuple[str, str]]:
    return [(one["action"], one["outcome"]) for one in found]


async def test_what_staff_wrote_is_in_it_with_who_what_whom_when_and_from_where(
    school: Organisation, sales: Person, connect: Connect
) -> None:
    before = now()
    made = await make_user(school.admin.api, school.id, "STUDENT", "new@school.example.com")
    await school.admin.api.ok("PUT", f"/routes/users/{made.id}", {"name": "Other"})
    await school.proctor.api.code("DELETE", f"/routes/users/{made.id}")
    await school.admin.api.call("DELETE", f"/routes/users/{made.id}")
    found = await entries(school.admin, f"userId={made.id}")
    assert short(found) == [
        ("create_user", "ok"), ("update_user", "ok"), ("delete_user", "forbidden"), ("delete_user", "ok"),
    ]  # fmt: skip
    first = found[0]
    assert (first["actorId"], first["role"], first["organisationId"]) == (school.admin.id, "ADMIN", school.id)
    assert (first["address"], first["sessionId"], first["examId"]) == ("127.0.0.1", None, None)
    assert format_instant(before) <= first["at"] <= format_instant(now())
    assert found[2]["actorId"] == school.proctor.id
    text = str(await entries(school.admin))
    assert not [one for one in ("Other", "new@", PASSWORD) if one in text]
    # What SALES did in an organisation its ADMINs read too; SALES reads its own doings.
    await make_user(sales.api, school.id, "ADMIN", "second@school.example.com")
    for reader in (school.admin, sales):
        last = (await entries(reader, f"actorId={sales.id}"))[-1]
        assert (last["action"], last["role"], last["organisationId"]) == ("create_user", "SALES", school.id)
    assert {one["actorId"] for one in await entries(sales)} == {sales.id}
    assert await entries(sales, f"actorId={school.admin.id}") == []


async def test_what_proctors_did_over_sockets_is_in_it_once_and_chat_is_not(
    school: Organisation, connect: Connect
) -> None:
    sat = await sit(school, connect)
    request = {"requestId": uuid(), "sessionId": sat.session_id, "verdict": "CLEARED"}
    for _ in range(3):  # the same, sent again
        await sat.console.ok("review", request)
    pause = {"requestId": uuid(), "examId": school.exam_id, "sessionId": sat.session_id, "action": "pause"}
    assert await sat.console.code("command", pause | {"reason": "late"}) == "conflict"
    found = await entries(school.admin, f"actorId={school.proctor.id}")
    assert short(found) == [
        ("join", "ok"), ("command_warn", "ok"), ("command_extend", "ok"), ("review", "ok"), ("review", "ok"),
        ("command_pause", "conflict"),
    ]  # fmt: skip
    assert found[0]["examId"] == school.exam_id
    for one in found[1:]:
        who = (one["userId"], one["sessionId"], one["examId"], one["address"])
        assert who == (sat.person.id, sat.session_id, school.exam_id, "127.0.0.1")


async def test_whose_records_were_opened_is_in_it_but_not_each_page(school: Organisation, connect: Connect) -> None:
    sat = await sit(school, connect)
    session = f"/routes/proctoring/{sat.session_id}"
    looks = [
        session, f"{session}/record", f"{session}/record.csv", f"{session}/record.html", f"{session}/activity",
        f"{session}/heartbeats", f"/routes/exams/{school.exam_id}/activity", f"/routes/users/{sat.person.id}",
    ]  # fmt: skip
    for path in looks:
        await school.proctor.api.ok("GET", path)
    for since in (0, 1, 2):
        await school.proctor.api.ok("GET", f"{session}/activity?since={since}&limit=1")
    await school.admin.api.ok("GET", f"/routes/users/{sat.person.id}/export")
    await sat.console.ok("join", {"examId": school.exam_id})
    await (await connect("/proctor", school.proctor.token)).ok("join", {"examId": school.exam_id, "since": 3})
    for path in ("/routes/users", "/routes/exams", "/routes/proctoring", f"/routes/users/{school.proctor.id}", PATH):
        await school.admin.api.ok("GET", path)
    await school.student.api.ok("GET", f"/routes/users/{school.student.id}")
    found = await entries(school.admin)
    names = [one["action"] for one in found if one["actorId"] == school.proctor.id]
    assert names[-8:] == [
        "get_session", "record", "record_csv", "record_html", "session_activity", "session_heartbeats",
        "exam_activity", "get_user",
    ]  # fmt: skip
    assert names.count("join") == 1
    assert found[-2]["action"] == "export_user"
    assert (found[-1]["action"], found[-1]["userId"]) == ("get_user", school.proctor.id)
    assert school.student.id not in {one["actorId"] for one in found}
    about = await entries(school.admin, f"userId={sat.person.id}")
    assert {"get_session", "record", "session_activity", "get_user", "export_user"} <= {one["action"] for one in about}


async def test_a_look_that_was_refused_is_in_it(school: Organisation, college: Organisation, connect: Connect) -> None:
    sat = await sit(school, connect)
    assert await college.admin.api.code("GET", f"/routes/proctoring/{sat.session_id}/record") == "not_found"
    one = (await entries(college.admin, f"actorId={college.admin.id}"))[-1]
    assert (one["action"], one["outcome"], one["sessionId"]) == ("record", "not_found", sat.session_id)
    assert college.admin.id not in str(await entries(school.admin))


async def test_it_is_paged_from_the_newest_on_and_filtered(school: Organisation, store: Store) -> None:
    organisation_id, actor_id, user_id = ObjectId(school.id), ObjectId(), ObjectId()
    start, stored = now() - timedelta(days=400), []
    for number in range(120):
        at = start + timedelta(days=number // 3)  # three at a moment
        stored.append(
            {
                "_id": ObjectId(),
                "at": at,
                "actorId": actor_id if number % 2 else ObjectId(),
                "role": "ADMIN",
                "organisationId": organisation_id,
                "action": f"n{number}",
                "userId": user_id if number % 5 else None,
                "sessionId": None,
                "examId": None,
                "address": None,
                "outcome": "ok",
            }
        )
    await store.database.audit.insert_many(stored)
    end = format_instant(start + timedelta(days=365))
    wanted = sorted(stored, key=lambda one: (one["at"], one["_id"]), reverse=True)
    for query, matches in [
        ("", lambda one: True),
        (f"actorId={actor_id}", lambda one: one["actorId"] == actor_id),
        (f"userId={user_id}", lambda one: one["userId"] == user_id),
        (f"userId={user_id}&actorId={actor_id}", lambda one: one["userId"] and one["actorId"] == actor_id),
        (f"from={format_instant(start + timedelta(days=7))}", lambda one: one["at"] >= start + timedelta(days=7)),
    ]:
        following: str | None = f"{PATH}?to={end}&limit=7&{query}"
        seen: list[str] = []
        while following:
            answer = await school.admin.api.call("GET", following)
            seen += [one["action"] for one in answer.body]
            link = answer.headers.get("Link")
            following = urljoin(PATH, link[1 : link.index(">")]) if link else None
            assert len(answer.body) == 7 or not following
        assert seen == [one["action"] for one in wanted if matches(one)], query


async def test_only_those_read_it_whom_it_concerns_and_nobody_changes_it(
    school: Organisation, college: Organisation, store: Store
) -> None:
    await make_exam(school.admin)
    (made,) = [one for one in await entries(school.admin) if one["action"] == "create_exam"][-1:]
    for person in (school.proctor, school.student):
        assert await person.api.code("GET", PATH) == "forbidden"
    assert made["id"] not in {one["id"] for one in await entries(college.admin)}
    for method in ("PUT", "DELETE", "POST"):
        async with school.admin.api.http.request(
            method, f"{school.admin.api.url}{PATH}", headers={"Authorization": f"Bearer {school.admin.token}"}
        ) as response:
            assert response.status == 405
    assert {"put", "post", "delete", "patch"} & set(school.admin.api.contract["paths"][PATH]) == set()


async def test_an_entry_is_stored_when_the_answer_comes_also_where_the_database_was_away(
    store: Store, school: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "_RETRY_S", 0.01)
    for after in (True, False):
        failing: Any = Failing(store.database.audit, "insert_many", AutoReconnect("gone"), after=after, times=3)
        monkeypatch.setattr(store.audit, "_entries", failing)
        exam = await make_exam(school.admin)
        found = await store.database.audit.find({"examId": ObjectId(exam["id"])}).to_list(None)
        assert len(found) == 1


async def test_many_at_once_are_few_inserts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    inserts: list[int] = []
    real = store.database.audit.insert_many

    async def count(documents: Any, **options: Any) -> Any:
        inserts.append(len(documents))
        return await real(documents, **options)

    collection: Any = Failing(store.database.audit, "", AutoReconnect(), after=False)
    collection.insert_many = count
    own = Audit(store.database)
    monkeypatch.setattr(own, "_entries", collection)
    actor = Actor(ObjectId(), Role.PROCTOR, ObjectId(), "P", "t", now())
    await asyncio.gather(*(own.did(actor, "join", {"examId": ObjectId()}) for _ in range(300)))
    assert sum(inserts) == 300
    assert len(inserts) <= 2
    await own.close()


async def test_it_is_kept_for_ever_unless_a_setting_says_for_how_long(store: Store, school: Organisation) -> None:
    await make_exam(school.admin)
    count = await store.database.audit.count_documents({})
    await store.retention.sweep(now() + timedelta(days=10_000))
    assert await store.database.audit.count_documents({}) == count
    store.retention._audit_days = 30
    await store.retention.sweep(now() + timedelta(days=29))
    assert await store.database.audit.count_documents({}) == count
    await store.retention.sweep(now() + timedelta(days=31))
    assert await store.database.audit.count_documents({}) == 0


async def test_of_staff_who_are_erased_ids_stay_and_addresses_go(school: Organisation) -> None:
    second = await make_user(school.admin.api, school.id, "ADMIN", "second@school.example.com")
    await make_exam(second)
    assert (await school.admin.api.call("DELETE", f"/routes/users/{second.id}?erase=true")).status == 204
    found = await entries(school.admin, f"actorId={second.id}")
    assert [(one["action"], one["address"]) for one in found] == [("create_exam", None)]
