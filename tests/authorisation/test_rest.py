"""Every cell of the table of routes is tried; what is refused has changed nothing and tells nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.authorisation.columns import CODES, cells_of, refused_and_let_in, stale_in, tried_in
from tests.authorisation.names import UNKNOWN, filled, names_in
from tests.authorisation.rest import REST, Route
from tests.authorisation.stored import changes_between, everything_in
from tests.authorisation.world import World
from tests.clients import Answer, Api

HOW_TO_ADD = "add a row to tests/authorisation/rest.py; CONTRIBUTING.md says how"


class Row:
    """One row being tried: what was answered otherwise than it says, and how many requests that took."""

    def __init__(self, world: World, route: Route) -> None:
        self.world, self.route, self.tried = world, route, 0
        self.letters = cells_of(route.cells)
        self.wanted = {column: CODES[letter] for column, letter in self.letters.items()}
        self.wrong: list[str] = []

    async def try_cell(self, column: str, names: Mapping[str, str]) -> None:
        if column == "stale":
            stale = {one: self.world.anyone.as_(self.world.stale[one]) for one in stale_in(self.route.cells)}
            await asyncio.gather(
                *(self._try(column, ", ".join(one), api, {**names, "me": UNKNOWN}) for one, api in stale.items())
            )
        else:
            await self._try(column, "", self.world.api(column), {**names, "me": self.world.id(column)})

    async def _try(self, column: str, which: str, api: Api, names: Mapping[str, str]) -> None:
        answer, self.tried = await self._call(api, names), self.tried + 1
        if answer.code != self.wanted[column]:
            self.wrong.append(f"{column} {which}: {answer.code}, not {self.wanted[column]}; {answer.body}")
        elif self.letters[column] == "N":
            await self._tell_nothing(column, api, names, answer)

    async def _tell_nothing(self, column: str, api: Api, names: Mapping[str, str], answer: Answer) -> None:
        """What is hidden is answered like what is not there."""
        for name in names_in((self.route.path, self.route.body)):
            if name != "uuid":
                missing = await self._call(api, {**names, name: UNKNOWN})
                if (missing.status, missing.body) == (answer.status, answer.body):
                    return
        self.wrong.append(f"{column}: {answer.body} is not what an unknown id is answered")

    async def _call(self, api: Api, names: Mapping[str, str]) -> Answer:
        path, body = filled(self.route.path, names), filled(self.route.body, names)
        return await api.call(self.route.method, path, body)


@pytest.mark.parametrize("route", REST, ids=[f"{number} {route.name}" for number, route in enumerate(REST)])
async def test_every_actor_is_answered_what_the_table_says(world: World, route: Route) -> None:
    row = Row(world, route)
    refused, let_in = refused_and_let_in(route.cells)
    names = await world.fresh((route.path, route.body))
    before = await everything_in(world.store)
    await asyncio.gather(*(row.try_cell(column, names) for column in refused))
    row.wrong += [
        f"a refused request changed {one}" for one in changes_between(before, await everything_in(world.store))
    ]
    made = {column: await world.fresh((route.path, route.body)) for column in let_in}
    after = await everything_in(world.store)
    for column in let_in:
        await row.try_cell(column, made[column])
    if let_in and route.writes:
        assert changes_between(after, await everything_in(world.store)), (
            "nothing was changed by who may: would a change be seen?"
        )
    assert not row.wrong, f"{route.name} {route.body or ''}\n" + "\n".join(row.wrong)
    assert row.tried == tried_in(route.cells)


def shape_of(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0])


async def test_every_route_has_a_row_and_no_row_is_for_nothing(api: Api) -> None:
    paths: dict[str, dict[str, Any]] = api.contract["paths"]
    # HEAD is GET without the body.
    published = {(verb.upper(), shape_of(path)) for path, item in paths.items() for verb in item if verb != "head"}
    rows = {(route.method, shape_of(route.path)) for route in REST}
    assert not published - rows, f"No row for {sorted(published - rows)}: {HOW_TO_ADD}."
    assert not rows - published, f"No such route: {sorted(rows - published)}."
