"""The pages and the library as the server serves them: cached, compressed, under a policy that lets nothing else in."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import aiohttp
import pytest

from models.store import Store
from server.app import Running, running
from server.pages import BUILT, PAGES
from server.settings import Settings
from tests.clients import Api


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_loads_only_from_the_server_and_runs_nothing_of_its_own(
    page: str, server: Running, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{server.url}/{page}") as response:
        html = await response.text()
        assert response.status == 200
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "%SOCKET_PORT%" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=", html)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert loaded
    for path in loaded:
        assert path.startswith("/assets/"), path
        async with http.get(server.url + path) as response:
            assert response.status == 200
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_what_is_large_is_compressed(server: Running, http: aiohttp.ClientSession) -> None:
    html = (BUILT / "console" / "index.html").read_text("utf-8")
    (script,) = re.findall(r'<script[^>]*src="([^"]+)"', html)
    sizes = {}
    for encoding in ("identity", "gzip", "br"):
        headers = {"Accept-Encoding": encoding}
        async with http.get(server.url + script, headers=headers, auto_decompress=False) as response:
            assert response.headers.get("Content-Encoding", "identity") == encoding
            assert response.headers["Content-Type"].partition(";")[0].endswith("/javascript")
            sizes[encoding] = len(await response.read())
    assert sizes["br"] < sizes["gzip"] < sizes["identity"] / 2


def test_the_console_is_under_150_kb_compressed() -> None:
    html = (BUILT / "console" / "index.html").read_text("utf-8")
    wanted = set(re.findall(r'(?:src|href)="/(assets/[^"]+)"', html))
    wanted |= {f"assets/{one}" for path in wanted for one in _imports(BUILT / path)}
    sizes = {path: _compressed(BUILT / path) for path in wanted}
    assert 10_000 < sum(sizes.values()) < 150_000, sizes


def _compressed(path: Path) -> int:
    packed = path.with_name(path.name + ".br")
    return (packed if packed.is_file() else path).stat().st_size


def _imports(script: Path) -> list[str]:
    """What a built script imports, also later."""
    return re.findall(r"""["'](?:\./|/?assets/)([\w.-]+\.(?:js|css))["']""", script.read_text("utf-8"))


async def test_the_library_may_be_imported_by_pages_of_other_origins(
    server: Running, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{server.url}/client/proctoring.js") as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Cache-Control"] == "no-cache"
        tag = response.headers["ETag"]
        assert "export" in await response.text()
    async with http.get(f"{server.url}/client/proctoring.js", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
    assert (BUILT / "client" / "index.d.ts").is_file()


async def test_what_is_not_there_is_answered_as_every_error(api: Api) -> None:
    for path in ("/assets/none.js", "/client/../app.py", "/assets/%2e%2e/console/index.html", "/console/x"):
        answer = await api.call("GET", path)
        assert (answer.status, answer.code) == (404, "not_found"), path


async def test_a_page_is_told_the_port_of_the_sockets(settings: Settings, http: aiohttp.ClientSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = settings.model_copy(update={"ws_port": port})
    async with running(settings) as server, http.get(server.url + "/exam") as response:
        assert f'name="socket-port" content="{port}"' in await response.text()
        assert f" ws://*:{port} " in response.headers["Content-Security-Policy"]


async def test_without_built_pages_the_server_says_how_to_make_them(
    settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, http: aiohttp.ClientSession
) -> None:
    monkeypatch.setattr("server.pages.BUILT", tmp_path)
    async with running(settings) as server, http.get(server.url + "/console") as response:
        assert response.status == 404
        assert "npm" in (await response.json())["error"]["message"]
