"""One server, one database and one world for all tables."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from server.app import Running, running
from tests.authorisation.world import World, make_world
from tests.clients import Api
from tests.conftest import make_settings


@pytest.fixture(scope="package")
async def server(mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    settings = make_settings(mongodb, tmp_path_factory.mktemp("authorisation"))
    settings.heartbeat_interval_ms = 600_000  # nobody goes missing meanwhile
    async with running(settings) as serving:
        yield serving
        await serving.store.database.drop()


@pytest.fixture(scope="package")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    cookies = aiohttp.DummyCookieJar()  # each cell is its own browser
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20), cookie_jar=cookies) as session:
        yield session


@pytest.fixture(scope="package")
async def api(server: Running, http: aiohttp.ClientSession) -> Api:
    async with http.get(server.url + "/openapi.json") as response:
        return Api(http, server.url, await response.json())


@pytest.fixture(scope="package")
async def world(server: Running, api: Api) -> World:
    return await make_world(server.store, api)
