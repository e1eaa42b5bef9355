"""Every change of a proctoring session: conditional, by groups, and never given up half-way.

What is wanted is a function of the session as it is. It is decided on what is known, and stored on the condition that
the session's `rev` is still that one; whoever lost to another change is decided again. A thousand who come back when a
network does, or whose time is up at the same moment, are a few updates.

Each update leaves a mark of its own in what it changes. So after an answer of the database that was lost, or where only
some of a group were still as they were, the mark tells which are ours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from bson import ObjectId
from pymongo import UpdateMany
from pymongo.errors import PyMongoError

from models.database import Collection, Stored, find_by_ids, is_unavailable
from models.errors import NotFound, ProctoringError
from models.fields import now
from models.groups import Groups
from models.hints import Hints

logger = logging.getLogger(__name__)

_MOST: Final = 50  # longer lists cost the embedded database more for each session
_RETRY_S: Final = 0.2

# From a session and the moment of the change, what to set in it: None for nothing; a ProctoringError for a refusal.
Decide: TypeAlias = Callable[[Stored, datetime], dict[str, Any] | None]
Subscriber: TypeAlias = Callable[[list[Stored]], Awaitable[None]]
Known: TypeAlias = dict[ObjectId, Stored]


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    session: Stored
    decide: Decide


class Changes:
    """Changes sessions. Subscribers hear of all that changed, some at once, after the change is stored."""

    def __init__(self, sessions: Collection, hints: Hints | None = None) -> None:
        self._sessions = sessions
        self._hints = hints or Hints()
        self._groups = Groups(self._change_all, _MOST, patience_s=None)
        self._subscribers: list[Subscriber] = []
        self._of_own: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber, *, own: bool = False) -> None:
        """`own`: only of what this node changed, for what is to be done once."""
        (self._of_own if own else self._subscribers).append(subscriber)

    async def tell(self, sessions: list[Stored]) -> None:
        """Let the subscribers, of other nodes too, know of sessions that changed."""
        self._hints.tell("sessions", [one["_id"] for one in sessions])
        await self._tell([*self._subscribers, *self._of_own], sessions)

    async def follow(self, session_ids: Iterable[ObjectId]) -> None:
        """Another node changed these."""
        await self.saw(list((await find_by_ids(self._sessions, session_ids)).values()))

    async def saw(self, sessions: list[Stored]) -> None:
        """This is how sessions are that another node may have changed."""
        if sessions:
            await self._tell(self._subscribers, sessions)

    async def _tell(self, subscribers: Iterable[Subscriber], sessions: list[Stored]) -> None:
        for subscriber in subscribers:
            try:
                await subscriber(sessions)
            except Exception:  # a subscriber's failure is not the change's
                logger.exception("a subscriber of sessions failed")

    async def change(self, session: Stored, decide: Decide) -> tuple[Stored, bool]:
        """The session as it is after `decide` had its way, and whether that changed it. `session` may be out of date.

        Raises what `decide` raises, and NotFound where the session is gone. While the database is away it is tried
        again: bound the waiting, not the work.
        """
        return await self._groups(_Wanted(session, decide))

    async def change_all(
        self, sessions: Iterable[Stored], decide: Decide
    ) -> list[tuple[Stored, bool] | ProctoringError]:
        """`change` for each of these, in order; an expected error stands in the place of its session."""
        found = await asyncio.gather(*(self.change(one, decide) for one in sessions), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, ProctoringError):
                raise one
        return found  # type: ignore[return-value] # the loop above leaves no other error

    async def _change_all(self, group: list[_Wanted]) -> list[tuple[Stored, bool] | Exception]:
        known: Known = {}
        for one in group:
            session_id = one.session["_id"]
            if session_id not in known or known[session_id]["rev"] < one.session["rev"]:
                known[session_id] = one.session
        answers: dict[_Wanted, tuple[Stored, bool] | Exception] = {}
        changed: Known = {}
        left = group
        while left:
            wanted = self._decide(known, left, answers)
            if wanted:
                won = await self._write(known, {key: changes for key, (_, changes) in wanted.items()})
                changed |= {key: known[key] for key in won}
                answers |= {wanted[key][0]: (known[key], True) for key in won}
            left = [one for one in left if one not in answers]
        if changed:
            await self.tell(list(changed.values()))
        return [answers[one] for one in group]

    def _decide(
        self, known: Known, left: list[_Wanted], answers: dict[_Wanted, tuple[Stored, bool] | Exception]
    ) -> dict[ObjectId, tuple[_Wanted, dict[str, Any]]]:
        """At most one change a session; who wants nothing, or is refused, is answered."""
        at = now()
        wanted: dict[ObjectId, tuple[_Wanted, dict[str, Any]]] = {}
        for one in left:
            session = known.get(one.session["_id"])
            if session is None:
                answers[one] = NotFound("No such session.")
            elif session["_id"] not in wanted:
                try:
                    changes = one.decide(session, at)
                except ProctoringError as error:
                    answers[one] = error
                    continue
                if changes is None:
                    answers[one] = session, False
                else:
                    wanted[session["_id"]] = one, changes
        return wanted

    async def _write(self, known: Known, wanted: dict[ObjectId, dict[str, Any]]) -> list[ObjectId]:
        """Store these changes; returns whose are stored, and brings `known` up to date."""
        mark, time = ObjectId(), now()
        news: Known = {}
        alike: dict[tuple[int, str], list[ObjectId]] = {}
        for key, changes in wanted.items():
            rev = known[key]["rev"]
            news[key] = known[key] | changes | {"rev": rev + 1, "updatedAt": time, "mark": mark}
            alike.setdefault((rev, repr(sorted(changes.items()))), []).append(key)
        updates = []
        for (rev, _), keys in alike.items():
            changes = wanted[keys[0]] | {"rev": rev + 1, "updatedAt": time, "mark": mark}
            updates.append(UpdateMany({"_id": {"$in": keys}, "rev": rev}, {"$set": changes}))
        try:
            result = await self._sessions.bulk_write(updates, ordered=False)
            if result.matched_count == len(news):
                known |= news
                return list(news)
        except PyMongoError as error:
            if not is_unavailable(error):
                raise
        found = await self._read_again(news)
        for key in news:
            known.pop(key)
        known |= found
        return [key for key, session in found.items() if session.get("mark") == mark]

    async def _read_again(self, keys: Iterable[ObjectId]) -> Known:
        while True:
            try:
                return await find_by_ids(self._sessions, keys)
            except PyMongoError as error:
                if not is_unavailable(error):
                    raise
                logger.warning("changes of sessions wait for the database: %s", error)
                await asyncio.sleep(_RETRY_S)
