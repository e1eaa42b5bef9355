"""Work by groups: who is asked for together, what each is told, and what harms nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from models import groups
from models.errors import Unavailable
from models.groups import Groups, Lookup
from models.store import Store


class Work:
    """Answers each item with itself in capitals; keeps the groups it was given; can be held back and made to fail."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.failures: list[Exception] = []

    async def __call__(self, items: list[str]) -> list[str | Exception]:
        self.groups.append(items)
        await self.go_on.wait()
        if self.failures:
            raise self.failures.pop(0)
        return [ValueError(one) if one.startswith("bad") else one.upper() for one in items]


async def begun(work: Work, count: int) -> None:
    async with asyncio.timeout(5):
        while len(work.groups) < count:
            await asyncio.sleep(0)


async def asked(ask: Callable[[str], Awaitable[Any]], items: str) -> list[asyncio.Task[Any]]:
    async def one(item: str) -> Any:
        return await ask(item)

    tasks = [asyncio.create_task(one(item)) for item in items.split()]
    await asyncio.sleep(0)
    return tasks


async def outcomes(tasks: list[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_lone_item_is_a_group_and_what_comes_meanwhile_is_the_next() -> None:
    work = Work()
    ask: Groups[str, str] = Groups(work, most=100)
    assert await ask("a") == "A"
    work.go_on.clear()
    first = await asked(ask, "b")
    await begun(work, 2)
    rest = await asked(ask, "c d e")
    work.go_on.set()
    assert await outcomes(first + rest) == ["B", "C", "D", "E"]
    assert work.groups == [["a"], ["b"], ["c", "d", "e"]]


async def test_a_group_has_no_more_than_the_most_and_keeps_the_order() -> None:
    work = Work()
    ask: Groups[str, str] = Groups(work, most=2)
    assert await outcomes(await asked(ask, "a b c d e")) == ["A", "B", "C", "D", "E"]
    assert work.groups == [["a", "b"], ["c", "d"], ["e"]]


async def test_what_comes_while_a_group_is_under_way_is_worked_on_anew() -> None:
    work = Work()
    ask: Groups[str, str] = Groups(work, most=100)
    work.go_on.clear()
    first = await asked(ask, "a b")
    await begun(work, 1)
    late = await asked(ask, "a a")  # what is being read now was asked for before they came
    work.go_on.set()
    assert await outcomes(first + late) == ["A", "B", "A", "A"]
    assert work.groups == [["a", "b"], ["a", "a"]]


async def test_an_error_in_an_items_place_is_that_items_alone() -> None:
    ask: Groups[str, str] = Groups(Work(), most=100)
    got = await outcomes(await asked(ask, "a bad1 b bad1"))
    assert [type(one) for one in got] == [str, ValueError, str, ValueError]


async def test_a_failure_is_heard_by_its_group_and_the_next_group_works() -> None:
    work = Work()
    ask: Groups[str, str] = Groups(work, most=100)
    work.failures = [AutoReconnect("gone")]
    work.go_on.clear()
    first = await asked(ask, "a b")
    await begun(work, 1)
    rest = await asked(ask, "c")
    work.go_on.set()
    assert [type(one) for one in await outcomes(first)] == [AutoReconnect, AutoReconnect]
    assert await outcomes(rest) == ["C"]
    assert await ask("d") == "D"


async def test_a_caller_that_goes_harms_nobody_and_nothing_is_done_for_those_who_all_went() -> None:
    work = Work()
    ask: Groups[str, str] = Groups(work, most=100)
    work.go_on.clear()
    first = await asked(ask, "a b")
    await begun(work, 1)
    rest = await asked(ask, "c d e")
    for task in (first[0], rest[0], rest[2]):
        task.cancel()
    await asyncio.sleep(0)
    work.go_on.set()
    got = await outcomes(first + rest)
    assert [one if isinstance(one, str) else type(one) for one in got] == [
        *(asyncio.CancelledError, "B", asyncio.CancelledError, "D", asyncio.CancelledError)
    ]
    assert work.groups == [["a", "b"], ["d"]]


async def test_a_group_that_takes_too_long_is_given_up_with_those_who_have_waited_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "_WAITED_S", 0.1)
    work = Work()
    ask: Groups[str, str] = Groups(work, most=1, patience_s=0.3)
    work.go_on.clear()
    tasks = await asked(ask, "a b c d e f g")
    got = await outcomes(tasks)
    assert [type(one) for one in got] == [Unavailable] * 7
    assert work.groups == [["a"]]  # nobody waits through the failures of those before
    work.go_on.set()
    assert await ask("h") == "H"


async def test_past_the_bound_callers_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_MOST_WAITING", 3)
    work = Work()
    ask: Groups[str, str] = Groups(work, most=100)
    work.go_on.clear()
    first = await asked(ask, "a")
    await begun(work, 1)
    rest = await asked(ask, "b c d")
    with pytest.raises(Unavailable):
        await ask("e")
    work.go_on.set()
    assert await outcomes(first + rest) == ["A", "B", "C", "D"]


async def test_gathering_waits_for_company() -> None:
    work = Work()
    ask: Groups[str, str] = Groups(work, most=100, gather_s=0.2)
    first = await asked(ask, "a")
    await asyncio.sleep(0.02)
    rest = await asked(ask, "b")
    assert await outcomes(first + rest) == ["A", "B"]
    assert work.groups == [["a", "b"]]
    await ask.close()


async def test_a_lookup_answers_each_id_with_its_document_or_none(store: Store) -> None:
    ids = [ObjectId() for _ in range(120)]
    await store.database.users.insert_many([{"_id": one, "emailKey": str(one)} for one in ids[:110]])
    lookup: Lookup[ObjectId] = Lookup(store.database.users)
    found = await asyncio.gather(*(lookup(one) for one in ids))
    assert [one and one["_id"] for one in found] == ids[:110] + [None] * 10
    twice = await asyncio.gather(lookup(ids[0]), lookup(ids[0]))
    assert twice[0] is twice[1]


async def test_a_lookup_never_answers_with_what_was_read_before_it_was_asked(store: Store) -> None:
    one = ObjectId()
    await store.database.users.insert_one({"_id": one, "emailKey": "x", "name": "0"})
    lookup: Lookup[ObjectId] = Lookup(store.database.users)
    for number in range(1, 30):
        early = [lookup(one) for _ in range(3)]
        await asyncio.sleep(0.001)  # so that these may be under way
        await store.database.users.update_one({"_id": one}, {"$set": {"name": str(number)}})
        found = await lookup(one)
        assert found is not None
        assert found["name"] == str(number)
        await asyncio.gather(*early)
