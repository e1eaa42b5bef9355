"""A student never hears what is for proctors, another exam's console nothing, another organisation's nothing at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import Any

import aiohttp

from handlers.exam_namespace import ExamNamespace
from handlers.proctor_namespace import ProctorNamespace
from models.actors import Role
from server.app import Running
from tests.authorisation.columns import COLUMNS, cells_of
from tests.authorisation.names import WARNING, filled
from tests.authorisation.pushes import PUSHES
from tests.authorisation.world import World, make_world
from tests.clients import WAIT_S, Api
from tests.frames import Frames, event_frame, opened

EXAMS = ["exam", "other exam", "foreign exam"]
OF_NO_EXAM = {"replaced", "draining"}  # these concern the connection that is sent them
Heard = set[tuple[str, str]]


class Listener:
    """One actor's connection, in whatever exam it may be. `heard`: each push, and what it was about."""

    def __init__(self, world: World, column: str, frames: Frames) -> None:
        self.world, self.column, self.frames = world, column, frames
        self.namespace = "/exam" if world.people[column]["role"] == Role.STUDENT else "/proctor"
        self.heard: Heard = set()
        self._number = 0

    async def enter(self) -> None:
        answer = await self.frames.connect(self.namespace, {"token": self.world.token(self.column)})
        assert "sid" in answer, answer
        for exam in EXAMS:
            if self.column != "ADMIN" or exam == "exam":  # it may see the other one too, and does not look
                event = "start" if self.namespace == "/exam" else "join"
                await self.send(event, {"examId": self.world.names[exam]})

    async def send(self, event: str, payload: Any) -> Any:
        self._number += 1
        await self.frames.send(event_frame(self.namespace, self._number, event, payload))
        pushed, ack = await self.frames.until_ack(self.namespace, self._number)
        for push, data in pushed:
            self.heard |= {(push, one) for one in self._about(push, data)}
        assert ack is not None, f"{self.column} was cut off"
        return ack

    async def listen(self) -> None:
        """Hear what has been sent until now."""
        ack = await self.send("nothing", {})
        assert ack["error"]["code"] == "unknown_event"

    def _about(self, push: str, data: Any) -> set[str]:
        exams = {self.world.names[exam]: exam for exam in EXAMS}
        if push in ("presence", "session"):
            return {exams.get(data["examId"], data["examId"])}
        items = data["items"] if push in ("activity", "commands") else [data]
        about = {_text(one.get("data") or one) or one["type"] for one in items}
        return about - {WARNING}  # which is told anew to each client that starts


def _text(data: dict[str, Any]) -> str | None:
    found = data.get("text") or data.get("reason") or data.get("note")
    return str(found) if found else None


def expected() -> dict[str, Heard]:
    """By column, what the table says that it hears."""
    found: dict[str, Heard] = defaultdict(set)
    for doing in PUSHES:
        for push, cells in doing.heard.items():
            about = doing.exam if push in ("presence", "session") else doing.what
            for column, letter in cells_of(cells).items():
                if letter == "h":
                    found[column].add((push, about))
    return found


async def test_everybody_hears_what_the_table_says_and_nothing_else(
    server: Running, http: aiohttp.ClientSession, api: Api
) -> None:
    wanted, world = expected(), await make_world(server.store, api)  # of its own, where nobody has said anything yet
    async with contextlib.AsyncExitStack() as stack:
        listeners = {
            column: Listener(world, column, await stack.enter_async_context(opened(http, server.ws_url)))
            for column in COLUMNS
            if column not in ("anonymous", "stale", "SALES")
        }
        # Students first: what their starts push is over when the consoles join.
        for listener in sorted(listeners.values(), key=lambda one: one.namespace):
            await listener.enter()
        for doing in PUSHES:
            ack = await listeners[doing.actor].send(doing.event, filled(doing.payload, world.names))
            assert ack["ok"], (doing, ack)
        async with asyncio.timeout(WAIT_S):
            while any(not wanted[column] <= one.heard for column, one in listeners.items()):
                await asyncio.gather(*(one.listen() for one in listeners.values()))
                await asyncio.sleep(0.02)
        await asyncio.gather(*(one.listen() for one in listeners.values()))
        wrong = {column: one.heard - wanted[column] for column, one in listeners.items() if one.heard - wanted[column]}
    assert not wrong


def test_every_push_has_a_row() -> None:
    named = {push for doing in PUSHES for push in doing.heard}
    known = {*ExamNamespace.pushes, *ProctorNamespace.pushes} - OF_NO_EXAM
    assert not known - named, f"Add to tests/authorisation/pushes.py who hears {sorted(known - named)}."
    assert not named - known
