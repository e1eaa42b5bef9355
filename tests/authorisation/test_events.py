"""Every cell of the table of events is tried, on a connection of its own; what is refused has changed nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from handlers.base import Namespace
from handlers.exam_namespace import ExamNamespace
from handlers.proctor_namespace import ProctorNamespace
from server.app import Running
from tests.authorisation.columns import CODES, cells_of, refused_and_let_in, stale_in, tried_in
from tests.authorisation.events import EVENTS, Event
from tests.authorisation.names import UNKNOWN, filled, names_in
from tests.authorisation.stored import changes_between, everything_in
from tests.authorisation.world import World
from tests.clients import check_message
from tests.frames import Frames, opened

NAMESPACES: dict[str, type[Namespace]] = {one.path: one for one in (ExamNamespace, ProctorNamespace)}
HOW_TO_ADD = "add a row to tests/authorisation/events.py; CONTRIBUTING.md says how"
_START, _FIRST = 1, 2  # the numbers of what is sent on a connection


class Cell:
    """One actor's connection for one row. `which`: of `stale`, whose token it is and why it does not hold."""

    def __init__(self, row: Row, column: str, which: str, token: str | None) -> None:
        self.row, self.column, self.which, self.token = row, column, which, token
        self.refused: str | None = None
        self.frames: Frames
        self._number = _FIRST

    async def connect(self, names: Mapping[str, str]) -> None:
        row = self.row
        self.names = {**names, "me": row.world.id(self.column)}
        self.frames = await row.stack.enter_async_context(opened(row.http, row.url))
        answer = await self.frames.connect(row.event.namespace, {"token": self.token} if self.token else None)
        self.refused = answer["data"]["code"] if "data" in answer else None
        if self.refused is None and row.event.started:
            exam = filled({"examId": row.event.started}, self.names)
            await self.frames.call(row.event.namespace, _START, "start", exam)

    async def tried(self) -> None:
        row, wanted = self.row, self.row.wanted[self.column]
        row.tried += 1
        ack = await self._send(self.names)
        code = None if ack["ok"] else ack["error"]["code"]
        if self.refused:  # it may send all the same: it is told that it is not connected
            code = self.refused if code == "unauthorized" else f"{self.refused} at connect, then {code}"
        if code != wanted:
            row.wrong.append(f"{self.column} {self.which}: {code}, not {wanted}; {ack}")
        elif row.letters[self.column] == "N":
            await self._tells_nothing(ack)

    async def _tells_nothing(self, ack: Any) -> None:
        """What is hidden is acked like what is not there."""
        for name in names_in(self.row.event.payload):
            if name != "uuid" and await self._send({**self.names, name: UNKNOWN}) == ack:
                return
        self.row.wrong.append(f"{self.column}: {ack} is not what an unknown id is acked")

    async def _send(self, names: Mapping[str, str]) -> Any:
        event, self._number = self.row.event, self._number + 1
        ack = await self.frames.call(event.namespace, self._number, event.event, filled(event.payload, names))
        check_message(event.namespace, f"{event.event}_ack", ack)
        return ack


class Row:
    """One row being tried."""

    def __init__(
        self, world: World, event: Event, http: aiohttp.ClientSession, url: str, stack: contextlib.AsyncExitStack
    ) -> None:
        self.world, self.event, self.http, self.url, self.stack = world, event, http, url, stack
        self.letters = cells_of(event.cells)
        self.wanted = {column: CODES[letter] for column, letter in self.letters.items()}
        self.wrong: list[str] = []
        self.tried = 0

    def cells(self, column: str) -> list[Cell]:
        if column != "stale":
            return [Cell(self, column, "", self.world.token(column))]
        return [Cell(self, column, ", ".join(one), self.world.stale[one]) for one in stale_in(self.event.cells)]

    async def connected(self, columns: list[str], names: list[Mapping[str, str]]) -> list[Cell]:
        made = [(cell, one) for column, one in zip(columns, names, strict=True) for cell in self.cells(column)]
        await asyncio.gather(*(cell.connect(one) for cell, one in made))
        return [cell for cell, _ in made]


@pytest.mark.parametrize("event", EVENTS, ids=[f"{number} {event.name}" for number, event in enumerate(EVENTS)])
async def test_every_actor_is_acked_what_the_table_says(
    world: World, server: Running, http: aiohttp.ClientSession, event: Event
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        row = Row(world, event, http, server.ws_url, stack)
        refused, let_in = refused_and_let_in(event.cells)
        named = (event.payload, event.started)
        cells = await row.connected(refused, [await world.fresh(named)] * len(refused))
        before = await everything_in(world.store)
        await asyncio.gather(*(cell.tried() for cell in cells))
        row.wrong += [
            f"a refused event changed {one}" for one in changes_between(before, await everything_in(world.store))
        ]
        cells = await row.connected(let_in, [await world.fresh(named) for _ in let_in])
        after = await everything_in(world.store)
        for cell in cells:
            await cell.tried()
        if let_in and event.writes:
            assert changes_between(after, await everything_in(world.store)), (
                "nothing was changed by who may: is a change seen?"
            )
    assert not row.wrong, f"{event.name} {event.payload}\n" + "\n".join(row.wrong)
    assert row.tried == tried_in(event.cells)


def test_every_event_has_a_row_and_no_row_is_for_nothing() -> None:
    known = {(path, event) for path, namespace in NAMESPACES.items() for event in namespace.events}
    rows = {(event.namespace, event.event) for event in EVENTS}
    assert not known - rows, f"No row for {sorted(known - rows)}: {HOW_TO_ADD}."
    assert not rows - known, f"No such event: {sorted(rows - known)}."
