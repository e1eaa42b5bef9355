"""Clients that send slowly, or never read, do not hold a connection for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from handlers import http_payload
from server import app, patience
from server.app import Running, running
from server.patience import UNREAD_S, Unread
from server.settings import Settings
from tests.clients import WAIT_S

LARGE = 32 << 20


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = url.rpartition("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    yield reader, writer
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nHost: here\r\n", b"GET /heal"])
async def test_a_request_that_never_ends_is_closed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(app, "REQUEST_S", 0.2)
    async with running(settings) as server:
        async with raw(server.url) as (reader, writer):
            writer.write(begun)
            assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
        await server.store.database.drop()


async def test_a_body_that_never_ends_is_refused_and_its_connection_closed(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_payload, "BODY_S", 0.2)
    async with raw(server.url) as (reader, writer):
        writer.write(b"POST /routes/auth/login HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n{")
        answer = await asyncio.wait_for(reader.readuntil(b"}}"), WAIT_S)
        assert answer.startswith(b"HTTP/1.1 422 ")
        assert b'"code":"invalid_payload"' in answer


async def test_an_answer_that_is_not_read_is_given_up_and_one_that_is_read_slowly_is_not() -> None:
    async def large(_: web.BaseRequest) -> web.Response:
        return web.Response(body=bytes(LARGE))

    server: web.Server[web.BaseRequest] = web.Server(large)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    url = "http://{}:{}".format(*listening.sockets[0].getsockname())
    unread = Unread(server)
    async with raw(url) as (reader, writer), raw(url) as (slow, slow_writer):
        for one in (writer, slow_writer):
            one.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            while sum(one.transport is not None and one.transport.get_write_buffer_size() > 0
                      for one in server.connections) < 2:  # fmt: skip
                await asyncio.sleep(0.01)
        now = 0.0
        while now <= UNREAD_S + 10:
            unread.look(now)
            with contextlib.suppress(asyncio.IncompleteReadError):
                await slow.readexactly(1 << 20)
            now += 10
        with contextlib.suppress(ConnectionResetError):
            assert len(await asyncio.wait_for(reader.read(LARGE), WAIT_S)) < LARGE
            while await asyncio.wait_for(reader.read(1 << 20), WAIT_S):
                pass
        assert len(server.connections) == 1
        left = 0
        while piece := await asyncio.wait_for(slow.read(1 << 20), WAIT_S):
            left += len(piece)
            if left >= LARGE - 5 * (1 << 20):
                break
    await server.shutdown()
    listening.close()


async def test_what_is_no_http_is_a_line_of_the_log_and_no_traceback(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiohttp.server")
    async with raw(server.url) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), WAIT_S)).startswith(b"HTTP/1.0 400 ")
    (record,) = [one for one in caplog.records if one.name == "aiohttp.server"]
    assert (record.levelname, record.exc_info) == ("INFO", None)


def test_a_connection_is_kept_longer_than_nginx_keeps_it() -> None:
    assert patience.REQUEST_S > 60
