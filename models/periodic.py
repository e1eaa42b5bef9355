"""Work that is done again and again beside everything else, whatever becomes of one time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pymongo.errors import PyMongoError

logger = logging.getLogger(__name__)


_AGAIN_S: Final = 1.0


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel these and wait for their ends, whatever they are.

    Again and again: `asyncio.wait_for`, which redis-py uses, may swallow a cancellation before Python 3.12.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


class Periodic:
    """From `open` on, `work` is done at once, and again `seconds` after it has ended. `about`: what it is, for logs."""

    def __init__(self, seconds: float, work: Callable[[], Awaitable[None]], about: str) -> None:
        self._seconds = seconds
        self._work = work
        self._about = about
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Do it no more; what is under way is cut off."""
        if self._task:
            await cancel(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except PyMongoError as error:
                logger.warning("%s: next time; %s", self._about, error)
            except Exception:  # it must go on
                logger.exception("%s: next time", self._about)
            await asyncio.sleep(self._seconds)
