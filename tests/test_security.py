"""What answers tell browsers; tokens, which are in no URL and no log; and JSON that is made to do harm."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest

from server.app import Running, running
from server.settings import Settings
from tests.clients import WAIT_S, Api
from tests.conftest import PASSWORD, Organisation
from tests.frames import PATH, Frames, event_frame, opened
from tests.test_http_errors import send

POLLING = PATH.replace("websocket", "polling")
KIB = 1024


@pytest.mark.parametrize(
    ("path", "personal"),
    [
        ("/healthz", False),
        ("/openapi.json", False),
        ("/nothing", False),
        ("/routes/auth/me", True),
        ("/routes/nothing", True),
        (POLLING, True),
        ("/socket.io/?EIO=3", True),
    ],
)
async def test_every_answer_says_how_it_may_be_used(
    server: Running, http: aiohttp.ClientSession, path: str, *, personal: bool
) -> None:
    async with http.get(server.url + path) as response:
        headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers.get("Cache-Control") == ("no-store" if personal else None)
    assert headers["Server"] == "proctoring-server"
    assert "Strict-Transport-Security" not in headers


async def test_what_a_person_may_see_is_stored_nowhere(school: Organisation) -> None:
    for method, path in (("GET", "/routes/users"), ("GET", "/routes/exams"), ("GET", "/routes/auth/me")):
        assert (await school.admin.api.call(method, path)).headers["Cache-Control"] == "no-store"


async def test_tls_alone_is_asked_for_where_that_is_set_and_the_browser_came_by_it(
    settings: Settings, http: aiohttp.ClientSession
) -> None:
    async with running(settings.model_copy(update={"hsts_s": 86400})) as server:
        for forwarded, wanted in (("https", "max-age=86400"), ("http", None), (None, None)):
            headers = {"X-Forwarded-Proto": forwarded} if forwarded else {}
            async with http.get(server.url + "/healthz", headers=headers) as response:
                assert response.headers.get("Strict-Transport-Security") == wanted


async def test_headers_are_on_a_port_of_sockets_alone_too(settings: Settings, http: aiohttp.ClientSession) -> None:
    async with running(settings.model_copy(update={"ws_port": 0})) as server:
        assert server.ws_url != server.url
        async with http.get(server.ws_url + POLLING) as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_token_in_a_url_opens_nothing(
    server: Running, school: Organisation, api: Api, http: aiohttp.ClientSession
) -> None:
    for name in ("token", "access_token", "auth", "Authorization"):
        assert await api.code("GET", f"/routes/auth/me?{name}={school.admin.token}") == "unauthorized"
        async with http.ws_connect(f"{server.ws_url}{PATH}&{name}={school.student.token}") as ws:
            await ws.receive_str(timeout=WAIT_S)
            assert (await Frames(ws, {}).connect("/exam"))["data"]["code"] == "unauthorized"
    assert await api.code("GET", "/routes/auth/me", headers={"Cookie": f"token={school.admin.token}"}) == "unauthorized"


async def test_no_token_and_no_password_is_logged(
    server: Running, school: Organisation, api: Api, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = school.student.token
    await api.ok("POST", "/routes/auth/login", {"email": school.student.email, "password": PASSWORD})
    await api.code("GET", f"/routes/auth/me?token={token}")
    await school.student.api.ok("GET", "/routes/auth/me")
    cut_off = '40/exam,{"token":"' + token
    frames_ = [cut_off, f"9{token}", f"45{token}", "40/exam," + json.dumps({"token": [token]}), f'42/exam,1["{token}"]']
    for frame in frames_:
        async with opened(http, server.ws_url) as frames:
            await frames.connect("/exam", {"token": token})
            await frames.send(*[frame] * 3)
            await frames.send(event_frame("/exam", 1, "heartbeat"))
            await frames.acks_until_closed_or(1)
    async with http.get(server.ws_url + POLLING) as response:
        sid = (await response.text()).partition('"sid":"')[2].partition('"')[0]
    async with http.post(f"{server.ws_url}{POLLING}&sid={sid}", data=cut_off):
        pass
    said = [line for line in caplog.text.splitlines() if token[20:] in line or PASSWORD in line]
    assert said == []


# Each is refused as invalid_payload, whatever the libraries below would make of it.
BAD_JSON: dict[str, bytes] = {
    "nested too deep": b'{"title":' + b"[" * 300_000,
    "nested deep and closed": b'{"title":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested as deep as is read": b'{"title":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "objects as deep as is read": b'{"title":' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}",
    "digits": b'{"duration":' + b"9" * 1_000_000 + b"}",
    "a fraction of digits": b'{"duration":0.' + b"9" * 1_000_000 + b"}",
    "beyond what is exact": b'{"title":"T","duration":9007199254740993}',
    "beyond 64 bits": b'{"title":"T","duration":18446744073709551616}',
    "below 64 bits": b'{"title":"T","duration":-9223372036854775809}',
    "beyond a double": b'{"title":"T","duration":1e999}',
    "NaN": b'{"title":"T","duration":NaN}',
    "Infinity": b'{"title":"T","duration":-Infinity}',
    "a huge list": b'{"title":"T","duration":1,"users":[' + b'"",' * 250_000 + b'""]}',
    "a huge list of nothing": b'{"title":[' + b"0," * 400_000 + b"0]}",
    "many fields": b"{" + b",".join(b'"%d":0' % number for number in range(90_000)) + b"}",
    "not UTF-8": b'{"title":"\xff","duration":1}',
    "a surrogate in UTF-8": b'{"title":"\xed\xa0\x80","duration":1}',
    "a lone surrogate": b'{"title":"\\ud800","duration":1}',
    "a lone surrogate as name": b'{"\\udfff":1}',
    "UTF-16": '{"title":"T"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"title":"T","duration":1}',
    "a null byte": b'{"title":"T","duration":1}\x00',
    "nothing": b"",
    "no object": b"[]",
}


@pytest.mark.parametrize("name", BAD_JSON)
async def test_json_that_is_made_to_do_harm_is_refused_over_rest(school: Organisation, name: str) -> None:
    async with asyncio.timeout(WAIT_S):
        answer = await send(school.admin.api, "POST", "/routes/exams", BAD_JSON[name])
    assert (answer.status, answer.code) == (422, "invalid_payload")
    assert len(json.dumps(answer.body)) < 20 * KIB  # a refusal is not larger than what it refuses


@pytest.mark.parametrize("name", BAD_JSON)
async def test_json_that_is_made_to_do_harm_is_refused_in_imports(school: Organisation, name: str) -> None:
    async with asyncio.timeout(WAIT_S):
        answer = await send(school.admin.api, "POST", "/routes/users/import", b"[" + BAD_JSON[name] + b"]")
    if answer.status != 422 and name not in ("nothing", "no object"):
        assert [line["error"]["code"] for line in answer.body["lines"]] == ["invalid_payload"]
    assert answer.status in (200, 422)


async def test_of_a_name_that_is_there_twice_the_last_counts(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    body = b'{"title":"first","duration":1,"title":"last"}'
    assert (await send(school.admin.api, "POST", "/routes/exams", body)).body["title"] == "last"
    async with opened(http, server.ws_url) as frames:
        await frames.connect("/exam", {"token": school.student.token})
        assert (await frames.call("/exam", 1, "start", {"examId": school.exam_id}))["ok"]
        await frames.send('42/exam,2["chat",{"text":"first","seq":1,"text":"last"}]')
        assert (await frames.until_ack("/exam", 2))[1]["ok"]
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert [one["data"]["text"] for one in log if one["type"] == "chat"] == ["last"]


def large(middle: str) -> str:
    return f'42/exam,7["activity",{{"seq":1,"type":"resize","data":{middle}}}]'


# What is JSON and within a frame, and would be stored, answered at length, or block the loop.
HARMFUL: dict[str, Any] = {
    "an integer that no database takes": large('{"width":18446744073709551615}'),
    "a negative one": large('{"width":-9223372036854775808}'),
    "an integer that is not exact": large('{"width":9007199254740993}'),
    "a float for an integer": large('{"width":1.5}'),
    "a float without end": large('{"width":1e308}'),
    "deep data": large('{"width":' + "[" * 1000 + "]" * 1000 + "}"),
    "many fields": large("{" + ",".join(f'"{number}":0' for number in range(25_000)) + "}"),
    "a long list": large("[" + "0," * 120_000 + "0]"),
    "long text": large('{"key":"' + "x" * 250_000 + '"}'),
    "a null byte in a name": large('{"\\u0000":1}'),
    "a dollar in a name": large('{"$where":1}'),
}


@pytest.mark.parametrize("name", HARMFUL)
async def test_json_that_is_made_to_do_harm_is_refused_over_sockets(
    school: Organisation, server: Running, http: aiohttp.ClientSession, name: str
) -> None:
    async with opened(http, server.ws_url) as frames:
        await frames.connect("/exam", {"token": school.student.token})
        assert (await frames.call("/exam", 1, "start", {"examId": school.exam_id}))["ok"]
        await frames.send(HARMFUL[name])
        ack = (await frames.until_ack("/exam", 7))[1]
        assert ack["error"]["code"] == "invalid_payload"
        assert len(json.dumps(ack)) < 20 * KIB
        assert (await frames.call("/exam", 8, "heartbeat", {}))["ok"]


async def test_a_replay_of_nonsense_is_answered_in_bounded_length(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    item = {"event": "tab_change", "payload": {f"x{number}": 0 for number in range(45)}}
    async with opened(http, server.ws_url) as frames:
        await frames.connect("/exam", {"token": school.student.token})
        assert (await frames.call("/exam", 1, "start", {"examId": school.exam_id}))["ok"]
        frame = event_frame("/exam", 2, "replay", {"items": [item] * 450})
        assert len(frame) <= 256 * KIB
        await frames.send(frame)
        ack = (await frames.until_ack("/exam", 2))[1]
        assert len(ack["data"]["rejected"]) == 450
        assert len(json.dumps(ack)) < 2 * len(frame)


@pytest.mark.parametrize(
    "body", ['4["a', "4" + "[" * 100_000, "42/exam,7[" + "9" * 5000 + "]", "9", "bA", "", "4\x1e" * 20, b"4\xff"]
)
async def test_a_poll_that_is_malformed_closes_its_connection(
    server: Running, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    url = server.ws_url + POLLING
    async with http.get(url) as response:
        url += "&sid=" + (await response.text()).partition('"sid":"')[2].partition('"')[0]
    async with http.post(url, data=body) as response:
        assert response.status in (200, 400)
    if body:
        async with asyncio.timeout(WAIT_S), http.get(url) as response:
            text = await response.text()
            assert response.status == 400 or text in ("1", "6", "6\x1e1"), (response.status, text)
    assert not [record for record in caplog.records if record.exc_info]
