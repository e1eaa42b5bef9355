"""The server as a process: its database, its restarts, its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp

from tests.clients import Api, Socket, uuid
from tests.processes import ServerProcess, alive, ready, run, serving, stop, until


async def demo(server: ServerProcess) -> dict[str, Any]:
    await server.line("Try in another terminal")
    written: dict[str, Any] = json.loads((server.cwd / "data" / "demo.json").read_text(encoding="utf-8"))
    return written


async def sign_in(http: aiohttp.ClientSession, server: ServerProcess, account: dict[str, str]) -> Api:
    async with http.get(server.url + "/openapi.json") as response:
        api = Api(http, server.url, await response.json())
    body = {"email": account["email"], "password": account["password"]}
    return api.as_((await api.ok("POST", "/routes/auth/login", body))["token"])


def account(written: dict[str, Any], role: str) -> dict[str, str]:
    return next(one for one in written["accounts"] if one["role"] == role)


async def test_a_second_start_finds_its_demo_and_its_data_again(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(tmp_path, "--demo") as server:
        first = await demo(server)
        assert {one["role"] for one in first["accounts"]} == {"SALES", "ADMIN", "PROCTOR", "STUDENT"}
        assert all(one["password"] in "".join(server.output) for one in first["accounts"])
        student = await sign_in(http, server, account(first, "STUDENT"))
        session = await student.ok("POST", "/routes/proctoring/start", {"examId": first["examId"]})
        assert await server.end() == 0
    async with serving(tmp_path, "--demo") as server:
        assert (await demo(server))["accounts"] == first["accounts"]
        student = await sign_in(http, server, account(first, "STUDENT"))
        assert (await student.ok("GET", f"/routes/proctoring/{session['id']}"))["status"] == "ACTIVE"


async def test_a_server_killed_in_the_middle_of_a_session_takes_its_database_with_it_and_loses_nothing(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    client_id = uuid()
    async with serving(tmp_path, "--demo") as server:
        written = await demo(server)
        student = await sign_in(http, server, account(written, "STUDENT"))
        browser = await Socket(server.ws_url, "/exam").connect(student.token, client_id)
        session = (await browser.ok("start", {"examId": written["examId"]}))["session"]
        acked = [await browser.ok("tab_change", {"seq": seq, "hidden": seq % 2 == 1}) for seq in range(1, 51)]
        beat = await browser.ok("heartbeat")
        database = server.database_pid()
        await server.end(signal.SIGKILL)
        await until(lambda: asyncio.sleep(0, not alive(database)))
    async with serving(tmp_path, "--demo") as server:
        browser = await Socket(server.ws_url, "/exam").connect(student.token, client_id)
        started = await browser.ok("start", {"examId": written["examId"]})
        assert (started["session"]["id"], started["lastSeq"]) == (session["id"], 50)
        assert await browser.ok("tab_change", {"seq": 50, "hidden": False}) == acked[-1] | {"duplicate": True}
        proctor = await sign_in(http, server, account(written, "PROCTOR"))
        log = await proctor.ok("GET", f"/routes/exams/{written['examId']}/activity?limit=500")
        assert [one["offset"] for one in log] == list(range(1, len(log) + 1))
        changes = [{"id": one["id"], "offset": one["offset"]} for one in log if one["type"] == "tab_change"]
        assert changes == acked
        types = [one["type"] for one in log if one["type"] != "tab_change"]
        assert types == ["session_started", "connected", "server_restarted", "connected"]
        beats = await proctor.ok("GET", f"/routes/proctoring/{session['id']}/heartbeats")
        assert beats == [{"receivedAt": beat["serverTime"]}]
        await browser.close()


async def test_a_database_that_dies_is_started_again_and_meanwhile_the_server_says_so(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, "--demo") as server:
        written = await demo(server)
        student = await sign_in(http, server, account(written, "STUDENT"))
        browser = await Socket(server.ws_url, "/exam").connect(student.token)
        await browser.ok("start", {"examId": written["examId"]})
        first = await browser.ok("tab_change", {"seq": 1})
        assert await ready(http, server.url) == 200
        stop(server.database_pid())  # it answers nobody
        assert await ready(http, server.url) == 503
        answer = await student.call("GET", "/routes/auth/me")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert await browser.code("tab_change", {"seq": 2}) == "unavailable"
        async with http.get(server.url + "/healthz") as response:
            assert response.status == 200
        os.kill(server.database_pid(), signal.SIGKILL)

        async def is_ready() -> bool:
            return await ready(http, server.url) == 200

        await until(is_ready)
        assert await browser.ok("tab_change", {"seq": 1}) == first | {"duplicate": True}
        again = await browser.ok("tab_change", {"seq": 2})
        assert again["offset"] == first["offset"] + 1
        await browser.close()
        assert await server.end() == 0


async def test_a_second_server_on_the_same_data_ends_with_a_clear_line(tmp_path: Path) -> None:
    async with serving(tmp_path):
        status, _, err = await run("serve", cwd=tmp_path, PORT=0)
        assert status == 2
        assert err.splitlines()[-1] == "proctoring-server: DATA_DIR: another server is running on data"
        make = ("create-user", "--password-stdin", "--email", "sales@example.com")
        status, _, err = await run(*make, cwd=tmp_path, stdin="password123\n")
        assert status == 0, err  # the first one's database is still found


async def test_a_port_that_is_taken_ends_with_a_clear_line(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        status, _, err = await run("serve", cwd=tmp_path, PORT=port, DATA_DIR="elsewhere")
        assert status == 2
        assert err.splitlines()[-1].startswith("proctoring-server: HOST, PORT, WS_PORT, METRICS_HOST, METRICS_PORT: ")


async def test_a_database_url_that_nothing_answers_ends_with_a_clear_line(tmp_path: Path) -> None:
    url = "mongodb://127.0.0.1:1/proctoring"
    status, _, err = await run("serve", cwd=tmp_path, PORT=0, DATABASE_URL=url, JWT_SECRET="x" * 32)
    assert status == 2
    assert err.splitlines()[-1] == "proctoring-server: DATABASE_URL: the database does not answer"


async def test_the_customers_env_file_works_as_it_is(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    (tmp_path / ".env").write_text(
        'PORT=3000\nWS_PORT=4000\nPBKDF2_ITERATIONS=10000\nPBKDF2_KEYLEN=64\nPBKDF2_DIGEST="sha512"\n', encoding="utf-8"
    )
    # The ports are this machine's to give; the rest is read from the file.
    async with serving(tmp_path, "--demo", WS_PORT=0, PBKDF2_ITERATIONS="") as server:
        written = await demo(server)
        assert server.url != server.ws_url
        assert "PBKDF2_ITERATIONS is 10000" in "".join(server.output)
        student = await sign_in(http, server, account(written, "STUDENT"))
        browser = await Socket(server.ws_url, "/exam").connect(student.token)
        assert (await browser.ok("start", {"examId": written["examId"]}))["session"]["status"] == "ACTIVE"
        await browser.close()
        async with http.get(server.url + "/socket.io/?EIO=4&transport=polling") as response:
            assert response.status == 404
        async with http.get(server.ws_url + "/routes/exams") as response:
            assert response.status == 404


async def test_the_first_sales_account_is_made_once(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    first = {"BOOTSTRAP_SALES_EMAIL": "sales@example.com", "BOOTSTRAP_SALES_PASSWORD": "password123"}
    async with serving(tmp_path, **first) as server:
        await sign_in(http, server, {"email": "sales@example.com", "password": "password123"})
    second = {"BOOTSTRAP_SALES_EMAIL": "other@example.com", "BOOTSTRAP_SALES_PASSWORD": "password123"}
    async with serving(tmp_path, **second) as server:
        body = {"email": "other@example.com", "password": "password123"}
        async with http.post(server.url + "/routes/auth/login", json=body) as response:
            assert response.status == 401


async def test_accounts_are_made_on_the_command_line_with_and_without_a_running_server(tmp_path: Path) -> None:
    make = ("create-user", "--password-stdin", "--email")
    status, out, err = await run(*make, "one@example.com", cwd=tmp_path, stdin="password123\n")
    assert (status, err) == (0, "")
    assert out.startswith("Made the SALES account one@example.com")
    async with serving(tmp_path):
        status, _, err = await run(*make, "ONE@example.com", cwd=tmp_path, stdin="password123\n")
        assert (status, err) == (2, "proctoring-server: This e-mail address is taken.\n")
        status, _, err = await run(*make, "two@example.com", "--role", "ADMIN", cwd=tmp_path, stdin="password123\n")
        assert (status, err) == (2, "proctoring-server: --organisation: every role but SALES has one\n")
        status, _, err = await run(*make, "two@example.com", cwd=tmp_path, stdin="short\n")
        assert (status, err.startswith("proctoring-server: password: ")) == (2, True)


async def test_a_demo_whose_exam_or_file_is_gone_is_made_whole_again(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, "--demo") as server:
        first = await demo(server)
        admin = await sign_in(http, server, account(first, "ADMIN"))
        await admin.call("DELETE", f"/routes/exams/{first['examId']}")
        await server.end()
    async with serving(tmp_path, "--demo") as server:
        second = await demo(server)
        assert second["accounts"] == first["accounts"]
        assert second["examId"] != first["examId"]
        await server.end()
    (tmp_path / "data" / "demo.json").unlink()
    async with serving(tmp_path, "--demo") as server:
        third = await demo(server)
        assert third["organisationId"] == first["organisationId"]
        for role in ("ADMIN", "PROCTOR", "STUDENT"):
            await sign_in(http, server, account(third, role))


async def test_demo_accounts_are_made_on_loopback_only(tmp_path: Path) -> None:
    async with serving(tmp_path, "--demo", HOST="localhost") as server:
        await server.line("Demo accounts")
    from server.demo import may_have_demo
    from server.settings import Settings

    assert not may_have_demo(Settings(_env_file=None, host="0.0.0.0"))
    assert not may_have_demo(Settings(_env_file=None, database_url="mongodb://db", jwt_secret="x" * 32))


async def test_a_rehearsal_against_the_demo_needs_no_option_and_misses_nothing(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, "--demo") as server:
        written = await demo(server)
        arguments = ("rehearse", "--students", "12", "--proctors", "2", "--seconds", "6")
        status, out, err = await run(*arguments, cwd=tmp_path)
        assert status == 0, out + err
        assert "Nothing is missing." in out
        admin = await sign_in(http, server, account(written, "ADMIN"))
        assert [one["title"] for one in await admin.ok("GET", "/routes/exams")] == ["Demo exam"]
        assert len(await admin.ok("GET", "/routes/users")) == 4
