"""What is in deploy/: nginx's configuration in front of real nodes, and the scripts that handle secrets."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from server.settings import Settings
from tests.clients import Api, Socket, uuid
from tests.conftest import PASSWORD, SECRET, Organisation
from tests.processes import ready, serving, until
from tests.proxies import DEPLOY, Proxy, free_port, proxying

SOCKET = "/socket.io/?EIO=4&transport=websocket"
behind_nginx = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")), reason="nginx or openssl is not installed"
)


@pytest.fixture
async def https() -> AsyncIterator[aiohttp.ClientSession]:
    """Believes the certificate that was made for trying."""
    timeout = aiohttp.ClientTimeout(20)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=False)) as session:
        yield session


def node(folder: Path, settings: Settings, port: int, **more: object) -> contextlib.AbstractAsyncContextManager[Any]:
    """A server process on the test's database, as deploy/ runs it."""
    folder.mkdir(exist_ok=True)
    given = {
        "PORT": port,
        "DATABASE_URL": settings.database_url,
        "JWT_SECRET": SECRET,
        "TRANSPORTS": "websocket",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DRAIN_SPREAD_S": 1,
    }
    return serving(folder, **(given | more))


async def socket(proxy: Proxy, token: str, client_id: str) -> Socket:
    made = Socket(proxy.url, "/exam")
    made.client.eio.ssl_verify = False
    return await made.connect(token, client_id)


@contextlib.asynccontextmanager
async def draining(port: int) -> AsyncIterator[Counter[str]]:
    """What answers every request with 503 at once, as a node that drains; counts them by method."""
    seen: Counter[str] = Counter()

    async def refuse(request: web.Request) -> web.Response:
        seen[request.method] += 1
        return web.Response(status=503)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield seen
    await runner.cleanup()


@behind_nginx
async def test_a_student_whose_node_is_stopped_or_killed_goes_on_at_the_other_one(
    settings: Settings, school: Organisation, https: aiohttp.ClientSession, tmp_path: Path
) -> None:
    ports, client_id = (free_port(), free_port()), uuid()
    first_folder, second_folder = tmp_path / "first", tmp_path / "second"
    token = school.student.token

    async def goes_on(seq: int) -> None:
        """Through the proxy, with one node there: the socket, and REST by GET and POST at the first try."""
        await until(passes)  # a node that was away is looked at again within two seconds
        browser = await socket(proxy, token, client_id)
        started = await browser.ok("start", {"examId": school.exam_id})
        assert (started["session"]["id"], started["lastSeq"]) == (session["id"], seq - 1)
        acked.append(await browser.ok("tab_change", {"seq": seq}))
        login = {"email": school.student.email, "password": PASSWORD}
        assert (await api.ok("POST", "/routes/auth/login", login))["user"]["id"] == school.student.id
        assert (await api.as_(token).ok("GET", f"/routes/proctoring/{session['id']}"))["status"] == "ACTIVE"
        browsers.append(browser)

    async def passes() -> bool:
        return await ready(https, proxy.url) == 200

    async with proxying(tmp_path, *ports) as proxy:
        api = Api(https, proxy.url, school.student.api.contract)
        browsers: list[Socket] = []
        acked: list[Any] = []
        async with node(first_folder, settings, ports[0]) as first:
            session = await api.as_(token).ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
            await goes_on(1)
            async with node(second_folder, settings, ports[1]) as second:
                assert await first.end(signal.SIGTERM) == 0
                await browsers[-1].closed()
                await goes_on(2)
                async with node(first_folder, settings, ports[0]):
                    await second.end(signal.SIGKILL)
                    await browsers[-1].closed()
                    await goes_on(3)
                    await browsers[-1].close()
    offsets = [one["offset"] for one in acked]
    assert offsets == sorted(set(offsets))
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?limit=500")
    assert [one["offset"] for one in log if one["type"] == "tab_change"] == offsets


@behind_nginx
async def test_a_node_that_drains_is_passed_over_but_a_post_is_never_sent_twice(
    settings: Settings, school: Organisation, https: aiohttp.ClientSession, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    async with proxying(tmp_path, *ports) as proxy, draining(ports[0]) as seen:
        async with draining(ports[1]) as seen_too:
            async with https.post(proxy.url + "/routes/auth/login", json={}) as response:
                assert response.status == 503
            assert (seen + seen_too)["POST"] == 1
            async with https.get(proxy.url + "/routes/auth/me") as response:
                assert response.status == 503
            assert (seen["GET"], seen_too["GET"]) == (1, 1)
        async with node(tmp_path / "second", settings, ports[1]):
            for _ in range(6):
                async with https.get(proxy.url + "/readyz") as response:
                    assert response.status == 200
            browser = await socket(proxy, school.student.token, uuid())
            await browser.ok("start", {"examId": school.exam_id})
            await browser.close()


@behind_nginx
async def test_limits_count_the_client_whatever_it_says_of_itself(
    settings: Settings, school: Organisation, tmp_path: Path
) -> None:
    ports = free_port(), free_port()

    async def statuses(address: str, times: int, **headers: str) -> list[int]:
        connector = aiohttp.TCPConnector(local_addr=(address, 0), ssl=False)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
            return [(await http.get(proxy.url + "/routes/auth/me")).status for _ in range(times)]

    async with (
        proxying(tmp_path, *ports) as proxy,
        node(tmp_path / "first", settings, ports[0], REQUESTS_PER_ADDRESS="3 per hour"),
    ):
        assert await statuses("127.0.0.2", 4) == [401, 401, 401, 429]
        assert await statuses("127.0.0.2", 1, **{"X-Forwarded-For": "192.0.2.1"}) == [429]
        assert await statuses("127.0.0.3", 1) == [401]


@behind_nginx
async def test_a_page_behind_tls_may_open_a_socket_and_one_of_another_origin_may_not(
    settings: Settings, school: Organisation, https: aiohttp.ClientSession, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    async with proxying(tmp_path, *ports) as proxy, node(tmp_path / "first", settings, ports[0]):
        async with https.ws_connect(proxy.url + SOCKET, origin=proxy.url) as opened:
            assert (await opened.receive_str()).startswith("0{")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await https.ws_connect(proxy.url + SOCKET, origin="https://elsewhere.example")
        assert refused.value.status == 400


@behind_nginx
async def test_without_a_node_the_proxy_answers_as_the_contract_has_it(
    api: Api, https: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with proxying(tmp_path, free_port(), free_port()) as proxy:
        answer = await Api(https, proxy.url, api.contract).call("GET", "/readyz")
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "5")
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        async with https.get(proxy.url + "/metrics") as response:
            assert response.status == 404
        async with https.get(proxy.plain_url + "/exam?x=1", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (301, "https://127.0.0.1/exam?x=1")


@pytest.mark.skipif(not shutil.which("openssl"), reason="make-secrets uses openssl")
def test_secrets_are_made_once_and_become_settings(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = []
    for _ in range(2):
        subprocess.run([DEPLOY / "make-secrets", folder, "proctoring.example"], check=True)
        made.append({path.name: path.read_text(encoding="ascii") for path in folder.iterdir()})
    assert made[0] == made[1]
    assert folder.stat().st_mode & 0o077 == 0
    (folder / "proctoring_CORS_ORIGINS").write_text("https://exams.example\n", encoding="ascii")
    program = (
        "from server.settings import load_settings as load; s = load();"
        "print(s.database_url, s.secret(), s.sealing_key().hex(), *s.cors_origins)"
    )
    done = subprocess.run(
        [DEPLOY / "with-secrets", sys.executable, "-c", program],
        env={"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": str(folder), "PYTHONPATH": str(DEPLOY.parent)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    wanted = [made[0][name].strip() for name in ("DATABASE_URL", "JWT_SECRET", "SEAL_KEY")]
    assert done.stdout.split() == [*wanted, "https://exams.example"]
