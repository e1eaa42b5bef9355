"""Orders: what a proctor, or an exam's policy, decides about one session or about all of an exam.

An order is noted, then the sessions are changed, then the log has its one activity, then the order is closed and the
students' commands are there. Whatever happens in between, `recover`, or the same request sent again, carries an open
order on from where it was: each session remembers the last order that changed it, and the log's guard makes the
activity once. One exam's orders are carried out one after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from models.activity import ActivityType, Entry, Source
from models.clock import terms_of
from models.command import Action
from models.commands import CommandList, Commands
from models.database import Database, Stored, find_by_ids, is_unavailable
from models.errors import Conflict, ProctoringError, Unavailable
from models.fields import now
from models.hints import Hints
from models.lifecycle import LIVE, TRANSITIONS, is_over, ledger_item, transition
from models.log import ActivityLog
from models.session import entry_of
from models.sessions import Sessions

logger = logging.getLogger(__name__)

_RETRY_S: Final = 0.2
_EXPECTED: Final = timedelta(minutes=5)
_MS_A_MINUTE: Final = 60_000
_REMEMBERED: Final = 8  # how many orders a session remembers; the one that is open is the last, or nearly


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is ordered. `minutes`: of `extend`, whole ones; `text`: of `warn`; `actor_id`: None for the policy."""

    action: Action
    reason: str | None = None
    text: str | None = None
    minutes: int | None = None
    actor_id: ObjectId | None = None


class Orders:
    """Gives orders and carries them out."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        log: ActivityLog,
        commands: Commands,
        hints: Hints | None = None,
    ) -> None:
        self._node_id = (hints or Hints()).node_id
        self._orders = database.orders
        self._exams = database.exams
        self._collection = database.sessions
        self._sessions = sessions
        self._log = log
        self._commands = commands
        self._locks: WeakValueDictionary[ObjectId, asyncio.Lock] = WeakValueDictionary()

    async def give(self, order_id: ObjectId, exam: Stored, session: Stored | None, wish: Wish) -> CommandList:
        """Order it for one session, or, without one, for all of the exam that it fits; the commands it came to.

        Conflict where it does not fit the one session. The same `order_id` again is the same order. It is carried out
        also where the database is away meanwhile: bound the waiting, not the work.
        """
        async with self._lock(exam["_id"]):
            order: Stored | None = await self._orders.find_one({"_id": order_id})
            if order is None:
                try:
                    order = await self._note(order_id, exam, session, wish)
                except DuplicateKeyError:  # another node got the same request just now
                    order = await self._orders.find_one({"_id": order_id})
            if order is None:
                raise Unavailable
            if any(order[name] != value for name, value in _content(exam, session, wish).items()):
                raise Conflict("This was sent before with other content.")
            return await self._carry_out(order)

    async def recover(self, serves: Callable[[Any], bool]) -> None:
        """Carry out what a process that is gone had noted and not finished; of what is old, only what had been begun,
        for nobody expects any more to see it happen. `serves`: whether a node still sees to its own.
        """
        for order in await self._orders.find({"open": True}).to_list(None):
            if serves(order.get("node")):
                continue
            async with self._lock(order["examId"]):
                if now() - order["at"] > _EXPECTED:
                    found = await find_by_ids(self._collection, [session_id for _, session_id in order["commands"]])
                    begun = {key for key, one in found.items() if order["_id"] in one["orders"]}
                    order["commands"] = [one for one in order["commands"] if one[1] in begun]
                try:
                    await self._carry_out(order)
                except ProctoringError as error:  # it no longer fits, or the exam was half deleted
                    logger.info("order %s of an earlier process is given up: %s", order["_id"], error)

    def _lock(self, exam_id: ObjectId) -> asyncio.Lock:
        return self._locks.setdefault(exam_id, asyncio.Lock())

    async def _note(self, order_id: ObjectId, exam: Stored, session: Stored | None, wish: Wish) -> Stored:
        at = now()
        sessions = [session] if session else await self._sessions.of_exam(exam["_id"])
        fitting = [one for one in sessions if session or _fits(one, wish)]
        if session:
            _change(session, wish.action, wish.minutes, at, None, None)  # Conflict where it does not fit
        order: Stored = {
            "_id": order_id,
            "organisationId": exam["organisationId"],
            "actorId": wish.actor_id,
            **_content(exam, session, wish),
            "at": at,
            "node": self._node_id,
            "open": True,
            "commands": [[ObjectId(), one["_id"]] for one in fitting],
        }
        await self._orders.insert_one(order)
        return order

    async def _carry_out(self, order: Stored) -> CommandList:
        """Again and again while the database is away."""
        sessions: list[Stored] | None = None
        while True:
            try:
                before = await self._commands.of(order["examId"])
                if not order["open"]:
                    return await self._commands.add(order, before)
                if sessions is None:
                    sessions = await self._change(order)
                if sessions:
                    await self._record(order, sessions)
                changed = {one["_id"] for one in sessions}
                closed = {"open": False, "commands": [one for one in order["commands"] if one[1] in changed]}
                await self._orders.update_one({"_id": order["_id"]}, {"$set": closed})
                order = order | closed
            except (PyMongoError, Unavailable) as error:
                if not is_unavailable(error):
                    raise
                logger.warning("order %s waits for the database: %s", order["_id"], error)
                await asyncio.sleep(_RETRY_S)
            else:
                return await self._commands.add(order, before)

    async def _change(self, order: Stored) -> list[Stored]:
        """Change the sessions of an order; those that it changed, now or before. Where it was for one, which has
        changed meanwhile, there is no such order any more, and Conflict is raised.
        """
        found = await find_by_ids(self._collection, [session_id for _, session_id in order["commands"]])
        if order["action"] == "warn":
            return [session for session in found.values() if not is_over(session)]
        exam: Stored | None = await self._exams.find_one({"_id": order["examId"]})

        def decide(current: Stored, _: datetime) -> dict[str, Any] | None:
            if order["_id"] in current["orders"]:
                return None
            action, at = order["action"], order["at"]
            changes = _change(current, action, order["minutes"], at, order["actorId"], order["reason"])
            if action == "reinstate" and exam:  # what it allows may be another since
                changes["terms"] = terms_of(exam, current["userId"])
            return changes | {"orders": [*current["orders"][1 - _REMEMBERED :], order["_id"]]}

        results = await self._sessions.changes.change_all(found.values(), decide)
        refused = [one for one in results if isinstance(one, ProctoringError)]
        if order["sessionId"] and refused:
            await self._orders.delete_one({"_id": order["_id"]})
            raise refused[0]
        return [one[0] for one in results if not isinstance(one, ProctoringError)]

    async def _record(self, order: Stored, sessions: list[Stored]) -> None:
        kind: ActivityType = _ACTIVITIES.get(order["action"]) or TRANSITIONS[order["action"]].activity
        data = {name: order[name] for name in ("reason", "minutes", "text") if order[name] is not None}
        once = f"order:{order['_id']}"
        if kind == "session_ended":  # every end is an activity of its session
            status = TRANSITIONS[order["action"]].target
            entries = [self._entry(order, one, kind, {"status": status} | data, once) for one in sessions]
        elif order["sessionId"]:
            entries = [self._entry(order, sessions[0], kind, data, once)]
        else:
            entries = [
                Entry(
                    exam_id=order["examId"],
                    organisation_id=order["organisationId"],
                    type=kind,
                    source=_source(order),
                    received_at=order["at"],
                    actor_id=order["actorId"],
                    once=once,
                    data=data | {"sessions": len(sessions)},
                )
            ]
        log = self._log.of(order["examId"])
        for result in await log.append([one for one in entries if not await log.has(one)]):
            if isinstance(result, Unavailable):  # another error: the exam was deleted meanwhile
                raise result

    def _entry(self, order: Stored, session: Stored, kind: str, data: dict[str, Any], once: str) -> Entry:
        at, actor_id = order["at"], order["actorId"]
        return entry_of(session, kind, _source(order), data, actor_id=actor_id, received_at=at, once=once)


_ACTIVITIES: Final[dict[str, ActivityType]] = {"warn": "warned", "extend": "time_added"}


def order_id_of(actor_id: ObjectId, request_id: str) -> ObjectId:
    """The id of the order that a request gives; the same for a repeat."""
    return ObjectId(hashlib.sha256(f"order\0{actor_id}\0{request_id.lower()}".encode()).hexdigest()[:24])


def _content(exam: Stored, session: Stored | None, wish: Wish) -> dict[str, Any]:
    """What tells a repeat from another order under the same id."""
    return {
        "examId": exam["_id"],
        "sessionId": session["_id"] if session else None,
        "action": wish.action,
        "reason": wish.reason,
        "text": wish.text,
        "minutes": wish.minutes,
    }


def _source(order: Stored) -> Source:
    return "proctor" if order["actorId"] else "server"


def _fits(session: Stored, wish: Wish) -> bool:
    if wish.action in TRANSITIONS:
        return session["status"] in TRANSITIONS[wish.action].sources
    return not is_over(session)


def _change(
    session: Stored,
    action: Action,
    minutes: int | None,
    at: datetime,
    actor_id: ObjectId | None,
    reason: str | None,
) -> dict[str, Any]:
    """What an action changes in a session: nothing, where it only says something. Conflict where it does not fit."""
    if action in TRANSITIONS:
        return transition(session, action, at, actor_id=actor_id, reason=reason)
    if session["status"] not in LIVE:
        raise Conflict("The session is over.")
    if action == "extend":
        more = ledger_item("extension", (minutes or 0) * _MS_A_MINUTE, at, actor_id, reason)
        return {"timeLedger": [*session["timeLedger"], more]}
    return {}
