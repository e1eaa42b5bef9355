"""Work by groups: what many ask for at once is done in one go.

One group is under way at a time; while it is, the next gathers. Alone, an item waits for nobody; under load, groups
grow by themselves and the cost of an item falls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, Generic, TypeVar

from models.database import Collection, Stored, find_by_ids
from models.errors import Unavailable

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")
Work = Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]]

_MOST_WAITING: Final = 20_000
_PATIENCE_S: Final = 4.0
_WAITED_S: Final = 1.0
_ENOUGH: Final = 100  # company: more would cost each hardly less


class _Waiting(Generic[Result]):
    """Who waits for one item, and since when (of the loop's clock)."""

    __slots__ = ("futures", "since")

    def __init__(self, since: float, future: asyncio.Future[Result]) -> None:
        self.since = since
        self.futures = [future]

    @property
    def gone(self) -> bool:
        """Whether all who asked have gone."""
        return all(future.done() for future in self.futures)

    def give(self, result: Result | Exception) -> None:
        for future in self.futures:
            if future.done():  # its caller has gone
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


class Groups(Generic[Item, Result]):
    """`await groups(item)` is the item's result of `work(items)`; equal items that wait together are worked on once.

    `work` gets at most `most` items and answers each, in order, with a result or an exception to raise. An item's work
    begins after it was asked for: what comes while a group is under way belongs to a later one. With `gather_s`, the
    first group waits up to so many seconds for company of a hundred. A group that takes longer than `patience_s` is
    given up, as Unavailable; None where `work` sees to its own end. One that fails takes those with it who have waited
    for over a second, so nobody waits through many failures. Past 20,000 items that wait, callers are told Unavailable
    at once.
    """

    def __init__(
        self, work: Work[Item, Result], most: int, *, gather_s: float = 0, patience_s: float | None = _PATIENCE_S
    ) -> None:
        self._work = work
        self._most = most
        self._gather_s = gather_s
        self._patience_s = patience_s
        self._waiting: dict[Item, _Waiting[Result]] = {}
        self._worker: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._enough = asyncio.Event()

    async def __call__(self, item: Item) -> Result:
        future: asyncio.Future[Result] = self._loop.create_future()
        waiting = self._waiting.get(item)
        if waiting is not None:
            waiting.futures.append(future)
            return await future
        if len(self._waiting) >= _MOST_WAITING:
            raise Unavailable
        self._waiting[item] = _Waiting(self._loop.time(), future)
        if self._worker is None:
            self._enough.clear()
            self._worker = self._loop.create_task(self._run())
        elif len(self._waiting) == _ENOUGH:
            self._enough.set()
        return await future

    async def close(self) -> None:
        """Wait until nothing waits any more."""
        if self._worker:
            await asyncio.wait([self._worker])

    async def _run(self) -> None:
        try:
            await self._gather()
            while self._waiting:
                await self._do_next()
        finally:
            self._worker = None

    async def _gather(self) -> None:
        if not self._gather_s:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._gather_s):
                await self._enough.wait()

    async def _do_next(self) -> None:
        taken = list(islice(self._waiting, self._most))
        pop = self._waiting.pop
        group = {item: waiting for item in taken if not (waiting := pop(item)).gone}
        try:
            async with asyncio.timeout(self._patience_s):
                results = await self._work(list(group)) if group else ()
        except Exception as error:  # noqa: BLE001 those who wait hear of it
            self._fail(group, Unavailable() if isinstance(error, TimeoutError) else error)
        else:
            for waiting, result in zip(group.values(), results, strict=True):
                waiting.give(result)

    def _fail(self, group: dict[Item, _Waiting[Result]], error: Exception) -> None:
        long_ago = asyncio.get_running_loop().time() - _WAITED_S
        late = {item: waiting for item, waiting in self._waiting.items() if waiting.since < long_ago}
        for item in late:
            del self._waiting[item]
        for waiting in (*group.values(), *late.values()):
            waiting.give(error)


class Lookup(Groups[Item, Stored | None]):
    """Documents of one collection by `_id`; None for one that is not there. Equal ids share one document."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        super().__init__(self._find, most=50)

    async def _find(self, ids: list[Item]) -> list[Stored | None]:
        found = await find_by_ids(self._collection, ids)
        return [found.get(one) for one in ids]
