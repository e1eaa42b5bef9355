"""Pages of other origins: those that are named in CORS_ORIGINS, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from server.app import Running, running
from server.settings import Settings

HERE, ELSEWHERE = "https://exams.example", "https://elsewhere.example"
POLL = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings.model_copy(update={"cors_origins": [HERE]})) as serving:
        yield serving
        await serving.store.database.drop()


@pytest.mark.parametrize(("origin", "allowed"), [(HERE, HERE), (ELSEWHERE, None)])
async def test_rest_answers_and_errors_are_for_named_origins(
    server: Running, http: aiohttp.ClientSession, origin: str, allowed: str | None
) -> None:
    for path, status in (("/healthz", 200), ("/routes/users", 401)):
        async with http.get(server.url + path, headers={"Origin": origin}) as response:
            assert response.status == status
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    async with http.options(server.url + "/routes/users", headers=asks) as response:
        assert (response.status, response.headers.get("Access-Control-Allow-Origin")) == (
            200 if allowed else 403,
            allowed,
        )


@pytest.mark.parametrize(("origin", "status"), [(HERE, 200), (ELSEWHERE, 400), (None, 200), ("its own", 200)])
async def test_sockets_are_for_named_origins(
    server: Running, http: aiohttp.ClientSession, origin: str | None, status: int
) -> None:
    origin = server.ws_url if origin == "its own" else origin
    async with http.get(server.ws_url + POLL, headers={"Origin": origin} if origin else {}) as response:
        assert response.status == status
