"""A session and its connection, when something else happens in the middle."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from pymongo.errors import AutoReconnect

from models.store import Store
from server.app import Running
from tests.clients import uuid
from tests.conftest import Connect, Organisation
from tests.frames import Frames


async def connectivity(school: Organisation) -> str:
    (session,) = await school.proctor.api.ok("GET", f"/routes/proctoring?examId={school.exam_id}")
    return str(session["connectivity"])


async def test_a_client_that_comes_back_while_its_old_connection_is_taken_off_is_online(
    school: Organisation, connect: Connect
) -> None:
    client_id = uuid()
    for _ in range(12):
        browser = await connect("/exam", school.student.token, client_id)
        started = await browser.ok("start", {"examId": school.exam_id})
        assert started["session"]["connectivity"] == "ONLINE"
        assert await connectivity(school) == "ONLINE"
        await browser.drop()


async def test_a_start_that_failed_half_way_is_whole_when_it_is_sent_again(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await connect("/exam", school.student.token)

    async def fail(*_: Any) -> None:
        raise AutoReconnect("the database went")

    with monkeypatch.context() as patch:
        patch.setattr(store.watch, "arrive", fail)
        assert await browser.code("start", {"examId": school.exam_id}) == "unavailable"
    started = await browser.ok("start", {"examId": school.exam_id})
    assert started["session"]["connectivity"] == "ONLINE"
    console = await connect("/proctor", school.proctor.token)
    said = {"requestId": uuid(), "examId": school.exam_id, "sessionId": started["session"]["id"], "text": "Hello."}
    await console.ok("chat", said)
    assert (await browser.next("chat"))["text"] == "Hello."


async def test_a_user_agent_that_is_no_text_harms_nobody(
    server: Running, school: Organisation, connect: Connect, http: aiohttp.ClientSession
) -> None:
    first = await connect("/exam", school.student.token)
    await first.ok("start", {"examId": school.exam_id})
    async with http.ws_connect(
        f"{server.ws_url}/socket.io/?EIO=4&transport=websocket", headers={"User-Agent": "a\udcff\udcfe"}
    ) as websocket:
        second = Frames(websocket, await websocket.receive_json(loads=lambda text: json.loads(text[1:])))
        await second.connect("/exam", {"token": school.student.token})
        ack = await second.call("/exam", 1, "start", {"examId": school.exam_id})
    assert ack["ok"]
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    (seen,) = [one for one in log if one["type"] == "second_connection"]
    assert seen["data"]["userAgent"].startswith("a")


async def test_one_entry_that_cannot_be_stored_does_not_take_its_batch_with_it(
    school: Organisation, connect: Connect, store: Store
) -> None:
    from dataclasses import replace

    from bson import ObjectId

    from models.activity import Entry
    from models.fields import now

    good = Entry(
        exam_id=ObjectId(school.exam_id),
        organisation_id=ObjectId(school.id),
        type="copy",
        source="client",
        received_at=now(),
    )
    bad = replace(good, data={"text": "\udcff"})
    log = store.log.of(good.exam_id)
    results = await asyncio.gather(log.append([good]), log.append([bad]), log.append([good]), return_exceptions=True)
    assert [isinstance(result, BaseException) for result in results] == [False, True, False]
    records = await store.log.read(good.exam_id, 0, 10)
    assert [record["offset"] for record in records] == [1, 2]


async def test_a_second_start_that_fails_leaves_the_connection_within_reach_of_a_removal(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await connect("/exam", school.student.token)
    await browser.ok("start", {"examId": school.exam_id})

    async def fail(*_: Any) -> None:
        raise AutoReconnect("the database went")

    with monkeypatch.context() as patch:
        patch.setattr(store.exams, "get", fail)
        assert await browser.code("start", {"examId": school.exam_id}) == "unavailable"
    await school.admin.api.ok("POST", f"/routes/exams/{school.exam_id}/users", {"remove": [school.student.id]})
    await browser.closed()


async def test_a_student_and_a_proctor_who_end_a_session_at_once_are_both_answered(
    school: Organisation, connect: Connect
) -> None:
    browser = await connect("/exam", school.student.token)
    session = (await browser.ok("start", {"examId": school.exam_id}))["session"]
    path = f"/routes/proctoring/end/{session['id']}"
    mine, theirs = await asyncio.gather(browser.ok("end"), school.proctor.api.ok("PUT", path))
    assert mine["session"]["status"] == theirs["status"]
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert [one["type"] for one in log].count("session_ended") == 1


async def test_a_payload_of_thousands_of_unknown_fields_is_answered_shortly(
    school: Organisation, connect: Connect
) -> None:
    browser = await connect("/exam", school.student.token)
    many = {f"field{number}": number for number in range(10_000)}
    for event in ("heartbeat", "tab_change", "start"):
        ack = await browser.call(event, many)
        assert ack["error"]["code"] == "invalid_payload"
        assert len(str(ack)) < 2000
    refused = await school.admin.api.call("POST", "/routes/exams", {"title": "x", "duration": 1, "users": ["x"] * 9999})
    assert refused.code == "invalid_payload"
    assert len(str(refused.body)) < 2000
