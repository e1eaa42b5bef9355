"""What is done again and again goes on whatever becomes of one time."""

from __future__ import annotations

import asyncio
import logging

import pytest
from pymongo.errors import AutoReconnect

from models.periodic import Periodic, cancel


async def test_work_is_done_again_after_any_failure_and_no_more_once_it_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[int] = []
    enough = asyncio.Event()

    async def work() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise AutoReconnect("the database went")
        if len(done) == 2:
            raise ValueError("a mistake of ours")
        enough.set()

    periodic = Periodic(0.001, work, "counting")
    await periodic.close()  # also where it was never opened
    with caplog.at_level(logging.WARNING):
        periodic.open()
        await asyncio.wait_for(enough.wait(), 10)
    await periodic.close()
    times = len(done)
    await asyncio.sleep(0.05)
    assert len(done) == times
    said = [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "models.periodic"]
    assert said == [("WARNING", "counting: next time; the database went"), ("ERROR", "counting: next time")]


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    cancelled: list[int] = []

    async def stubborn() -> None:
        while len(cancelled) < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(1)
        raise ValueError("nobody is told")

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await cancel(*tasks)
    assert len(cancelled) == 2
    assert tasks[1].cancelled()
    await cancel()
