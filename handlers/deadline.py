"""An answer in bounded time, whatever the work waits for; the work itself is never cut off half-way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, TypeVar

from models.errors import ProctoringError, Unavailable

logger = logging.getLogger(__name__)

_ANSWER_S: Final = 9.0
_MOST_LATE: Final = 1000

_T = TypeVar("_T")


class Deadline:
    """Waits 9 s for work, then raises Unavailable while the work goes on; at most a thousand go on like that."""

    def __init__(self) -> None:
        self._late: dict[Hashable, asyncio.Task[Any]] = {}

    @property
    def late(self) -> int:
        """How much work goes on for which nobody waits any more."""
        return len(self._late)

    async def keep(self, work: Callable[[], Coroutine[Any, Any, _T]], key: Hashable = None) -> _T:
        """The result of `work()`. With a `key`: of what goes on under that key, where something does."""
        task: asyncio.Task[_T] | None = self._late.get(key)
        if task is None:
            if len(self._late) >= _MOST_LATE:
                raise Unavailable
            task = asyncio.create_task(work())
        try:
            done, _ = await asyncio.wait([task], timeout=_ANSWER_S)
        finally:
            if not task.done():
                self._go_on(task, task if key is None else key)
        if not done:
            raise Unavailable
        return task.result()

    def _go_on(self, task: asyncio.Task[Any], key: Hashable) -> None:
        def ended(_: object) -> None:
            if self._late.get(key) is task:
                del self._late[key]
                if not task.cancelled() and (error := task.exception()) and not isinstance(error, ProctoringError):
                    logger.warning("work that was late for its answer failed: %r", error)

        if self._late.get(key) is not task:
            self._late[key] = task
            task.add_done_callback(ended)
