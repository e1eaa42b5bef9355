"""The commands of all exams and their fates.

An order (`models/orders.py`) is one document, whatever the number of students it is for; so is each step of fate that
many commands take at once. A command is put together from both, and kept in memory as long as it may be needed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final, TypeAlias

from bson import ObjectId
from pymongo.errors import PyMongoError

from models.command import ENDING, PENDING, command_of, meet
from models.database import Database, Stored, find_by_ids
from models.errors import Conflict, NotFound
from models.fields import now
from models.forgetting import Gone
from models.groups import Groups
from models.hints import Hints
from models.lifecycle import is_over
from models.periodic import Periodic

logger = logging.getLogger(__name__)

_MOST: Final = 5000  # steps of fate a document
_GATHER_S: Final = 0.01
_SWEEP_S: Final = 60.0

CommandList: TypeAlias = list[dict[str, Any]]
Subscriber = Callable[[ObjectId, CommandList], Awaitable[None]]


class ExamCommands:
    """One exam's commands, by id and by session, each session's in their order."""

    def __init__(self, exam_id: ObjectId) -> None:
        self.exam_id = exam_id
        self.by_id: dict[ObjectId, dict[str, Any]] = {}
        self.by_session: dict[ObjectId, CommandList] = {}

    def add(self, order: Stored) -> CommandList:
        """Those commands of an order that is carried out which are new."""
        new = [command_of(order, *one) for one in order["commands"] if one[0] not in self.by_id]
        for command in new:
            self.by_id[command["id"]] = command
            self.by_session.setdefault(command["sessionId"], []).append(command)
        return new

    def of(self, session_id: ObjectId) -> CommandList:
        """All commands to one session, in their order."""
        return self.by_session.get(session_id, [])

    def pending(self, session_id: ObjectId | None = None) -> CommandList:
        """Those that a client has still to be given, or confirm; of one session, or all."""
        commands = self.by_id.values() if session_id is None else self.of(session_id)
        return [command for command in commands if command["fate"] in PENDING]


class Commands:
    """`subscribers` hear of commands of one exam that are new, or whose fate changed, after that is stored."""

    def __init__(self, database: Database, hints: Hints | None = None) -> None:
        self._hints = hints or Hints()
        self._orders = database.orders
        self._fates = database.fates
        self._sessions = database.sessions
        self._exams: dict[ObjectId, asyncio.Task[ExamCommands]] = {}
        self._steps: Groups[tuple[CommandList, str], None] = Groups(self._step, _MOST, gather_s=_GATHER_S)
        self._subscribers: list[Subscriber] = []
        self._sweeping = Periodic(_SWEEP_S, lambda: self.expire(now()), "letting commands expire")
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Let commands expire by themselves from here on."""
        self._sweeping.open()

    async def close(self) -> None:
        await self._sweeping.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._steps.close()

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    async def add(self, order: Stored, before: ExamCommands) -> CommandList:
        """The commands of an order that was carried out, as they are now; who subscribes is told of those that are new.

        `before`: the exam's, opened before the order was closed.
        """
        of_exam = await self.of(order["examId"])
        new = before.add(order)
        if before is not of_exam:  # it was forgotten meanwhile
            of_exam.add(order)
        if new:
            self._hints.tell("commands", [order["examId"]])
            await self._tell(order["examId"], [of_exam.by_id[one["id"]] for one in new])
            await self._expire_over(of_exam, [one["sessionId"] for one in new][:1] if order["sessionId"] else ())
        return [dict(of_exam.by_id[command_id]) for command_id, _ in order["commands"]]

    async def of(self, exam_id: ObjectId) -> ExamCommands:
        """One exam's commands, read once."""
        task = self._exams.get(exam_id)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._exams[exam_id] = asyncio.create_task(self._read(exam_id))
        return await asyncio.shield(task)

    async def delivered(self, commands: Iterable[dict[str, Any]]) -> None:
        """These were sent to live connections."""
        await self._move([one for one in commands if one["fate"] == "QUEUED"], "DELIVERED")

    async def acknowledge(self, session: Stored, command_id: ObjectId) -> None:
        """The session's client has shown a command. NotFound for one of another session; Conflict for one that
        expired.
        """
        command = (await self.of(session["examId"])).by_id.get(command_id)
        if command is None or command["sessionId"] != session["_id"]:
            raise NotFound("No such command.")
        if command["fate"] == "EXPIRED":
            raise Conflict("The command has expired.")
        await self._move([command], "ACKNOWLEDGED")

    async def sessions_changed(self, sessions: list[Stored]) -> None:
        """A subscriber of sessions: what is pending of one that is over expires, but for what ended it."""
        over = [session for session in sessions if is_over(session)]
        if over:
            task = asyncio.create_task(self._sessions_over(over))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def follow(self, exam_ids: Iterable[ObjectId]) -> None:
        """See what other nodes ordered, or learnt of, in those of these exams that are known here."""
        for exam_id in set(exam_ids) & self._exams.keys():
            of_exam = await self.of(exam_id)
            moved = await self._take(of_exam)
            if moved:
                await self._tell(exam_id, moved)

    async def erased(self, gone: Gone) -> None:
        """Forget what was said to these sessions."""
        if gone.exam_id in self._exams and gone.session_ids:
            of_exam = await self.of(gone.exam_id)
            for command in [one for session_id in gone.session_ids for one in of_exam.of(session_id)]:
                command |= {"reason": None, "text": None}

    def forget(self, exam_id: ObjectId) -> None:
        """Drop what is remembered of an exam that was deleted."""
        self._exams.pop(exam_id, None)

    async def _sessions_over(self, sessions: list[Stored]) -> None:
        for exam_id in {session["examId"] for session in sessions}:
            try:
                of_exam = await self.of(exam_id)
                await self._move(_lost(of_exam, (one for one in sessions if one["examId"] == exam_id)), "EXPIRED")
            except PyMongoError as error:  # the sweep comes back to it
                logger.warning("commands of exam %s expire later: %s", exam_id, error)

    async def _expire_over(self, of_exam: ExamCommands, session_ids: Iterable[ObjectId]) -> None:
        """What is pending of those of these sessions that are over meanwhile."""
        sessions = await find_by_ids(self._sessions, session_ids)
        await self._move(_lost(of_exam, sessions.values()), "EXPIRED")

    async def _move(self, commands: CommandList, fate: str) -> None:
        if commands:
            await self._steps((commands, fate))

    async def _step(self, group: list[tuple[CommandList, str]]) -> list[None]:
        """Store steps of fate, then let them be, then tell."""
        at = now()
        steps: dict[tuple[ObjectId, str], CommandList] = {}
        for commands, fate in group:
            for command in commands:
                steps.setdefault((command["examId"], fate), []).append(command)
        documents = [
            {"examId": exam_id, "fate": fate, "at": at, "commands": [one["id"] for one in commands]}
            for (exam_id, fate), commands in steps.items()
        ]
        await self._fates.insert_many(documents)
        for (exam_id, fate), commands in steps.items():
            self._hints.tell("commands", [exam_id])
            moved = [command for command in commands if meet(command, fate, at)]
            if moved:
                await self._tell(exam_id, moved)
        return [None] * len(group)

    async def _tell(self, exam_id: ObjectId, commands: CommandList) -> None:
        for subscriber in self._subscribers:
            try:
                await subscriber(exam_id, commands)
            except Exception:  # a subscriber's failure is not the command's
                logger.exception("a subscriber of commands failed", extra={"examId": str(exam_id)})

    async def _read(self, exam_id: ObjectId) -> ExamCommands:
        found = ExamCommands(exam_id)
        await self._take(found)
        # What nobody could say while it happened.
        sessions = await find_by_ids(self._sessions, {one["sessionId"] for one in found.pending()})
        for command in (*_lost(found, sessions.values()), *_old(found, now())):
            meet(command, "EXPIRED", now())
        return found

    async def _take(self, found: ExamCommands) -> CommandList:
        """Take up what is stored of an exam's commands; those that are new to `found`, or got further."""
        exam_id, moved = found.exam_id, dict[ObjectId, dict[str, Any]]()
        # An order that is open is added by whoever carries it out.
        orders: list[Stored] = await self._orders.find({"examId": exam_id}).to_list(None)
        for order in sorted(orders, key=_order_of_time):
            if not order["open"]:
                moved |= {one["id"]: one for one in found.add(order)}
        steps: list[Stored] = await self._fates.find({"examId": exam_id}).to_list(None)
        for step in sorted(steps, key=_order_of_time):
            for command_id in step["commands"]:
                command = found.by_id.get(command_id)
                if command is not None and meet(command, step["fate"], step["at"]):
                    moved[command_id] = command
        return list(moved.values())

    async def expire(self, at: datetime) -> None:
        """Let the commands expire whose time is over at `at`; forget exams where nothing is pending."""
        for exam_id, task in list(self._exams.items()):
            if task.done() and not task.cancelled() and not task.exception():
                of_exam = task.result()
                await self._move(_old(of_exam, at), "EXPIRED")
                await self._expire_over(of_exam, {one["sessionId"] for one in of_exam.pending()})
                if not of_exam.pending() and not self._hints.shared:  # else what comes next would not be told apart
                    self._exams.pop(exam_id, None)


def _order_of_time(document: Stored) -> tuple[datetime, ObjectId]:
    return document["at"], document["_id"]


def _lost(of_exam: ExamCommands, sessions: Iterable[Stored]) -> CommandList:
    """What is pending of sessions that are over, but for what ended them."""
    over = [session for session in sessions if is_over(session)]
    return [one for session in over for one in of_exam.pending(session["_id"]) if not _ended(session, one)]


def _old(of_exam: ExamCommands, at: datetime) -> CommandList:
    return [one for one in of_exam.pending() if one["expiresAt"] <= at]


def _ended(session: Stored, command: dict[str, Any]) -> bool:
    """Whether this command is what ended the session."""
    return command["action"] in ENDING and command["createdAt"] == session["endTime"]
