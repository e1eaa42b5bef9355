"""Hints by Redis end when they are told to, whatever they are at."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from bson import ObjectId

from models.hints import Hints
from server.redis_hints import RedisHints

NOBODY = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("turns", range(6))
async def test_they_end_though_there_is_something_to_tell_at_that_moment(turns: int) -> None:
    hints = Hints()
    redis = RedisHints(NOBODY, "nodes", hints)
    await redis.__aenter__()
    await asyncio.sleep(0.05)  # until it waits for something to tell
    hints.tell("logs", [ObjectId()])
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await redis.__aexit__(None, None, None)


async def test_they_end_though_redis_py_swallows_the_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    hints = Hints()
    redis = RedisHints(NOBODY, "nodes", hints)
    sending, swallowed = asyncio.Event(), asyncio.Event()

    async def publish(*_: object) -> int:
        """As `wait_for` may, where what it waits for ends in the same moment: not to be provoked."""
        sending.set()
        if not swallowed.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            swallowed.set()
        return 0

    monkeypatch.setattr(redis._redis, "publish", publish)
    async with asyncio.timeout(10):
        async with redis:
            await sending.wait()
        assert swallowed.is_set()
