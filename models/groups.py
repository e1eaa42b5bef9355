"""Work by groups: what many ask for at once is done in one go.

One group is under way at a time; while it is, the next gathers. Alone, an item waits for nobody; under load, groups
grow by themselves and the cost of an item falls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Final, Generic, TypeVar

from models.database import Collection, Stored, find_by_ids
from models.errors import Unavailable

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")
Work = Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]]

_MOST_WAITING: Final = 20_000
_PATIENCE_S: Final = 4.0
_WAITED_S: Final = 1.0
_ENOUGH: Final = 100  # company: more would cost each hardly less
_MOST_LOOKED_UP: Final = 200


class Groups(Generic[Item, Result]):
    """`await groups(item)` is the item's result of `work(items)`.

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
        self._waiting: list[_Waiting[Item, Result]] = []
        self._worker: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._enough = asyncio.Event()
        self._began: float | None = None  # since when the group under way has waited

    @property
    def waits_s(self) -> float:
        """For how many seconds the item that waits longest has, the group under way among them."""
        since = [self._began] if self._began is not None else []
        since += [self._waiting[0][2]] if self._waiting else []
        return self._loop.time() - min(since) if since else 0.0

    def __call__(self, item: Item) -> asyncio.Future[Result]:
        if len(self._waiting) >= _MOST_WAITING:
            raise Unavailable
        future: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.append((item, future, self._loop.time()))
        if self._worker is None:
            self._enough.clear()
            self._worker = self._loop.create_task(self._run(), context=Context())  # it is nobody's alone
        elif len(self._waiting) == _ENOUGH:
            self._enough.set()
        return future

    @property
    def waiting(self) -> int:
        """How many items wait for their group to begin."""
        return len(self._waiting)

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
        taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        group = [one for one in taken if not one[1].done()]  # else its caller has gone
        self._began = group[0][2] if group else None
        try:
            async with asyncio.timeout(self._patience_s):
                results = await self._work([item for item, _, _ in group]) if group else ()
        except Exception as error:  # noqa: BLE001 those who wait hear of it
            self._fail(group, Unavailable() if isinstance(error, TimeoutError) else error)
        else:
            for (_, future, _), result in zip(group, results, strict=True):
                _give(future, result)
        finally:
            self._began = None

    def _fail(self, group: list[_Waiting[Item, Result]], error: Exception) -> None:
        long_ago = self._loop.time() - _WAITED_S
        late = [one for one in self._waiting if one[2] < long_ago]
        self._waiting = [one for one in self._waiting if one[2] >= long_ago]
        for _, future, _ in (*group, *late):
            _give(future, error)


_Waiting = tuple[Item, asyncio.Future[Result], float]  # since when: of the loop's clock


def _give(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():  # its caller has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


class Lookup(Groups[Key, Stored | None]):
    """Documents of one collection by `_id`; None for one that is not there. Equal ids are read once a group."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        super().__init__(self._find, most=_MOST_LOOKED_UP)

    async def _find(self, ids: list[Key]) -> list[Stored | None]:
        found = await find_by_ids(self._collection, ids)
        return [found.get(one) for one in ids]
