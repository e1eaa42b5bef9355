"""Whether somebody speaks for a session: changed by groups, as a thousand come back when a network does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from bson import ObjectId
from pymongo import UpdateMany

from models.database import Collection, Stored, find_by_ids
from models.errors import NotFound
from models.fields import now
from models.groups import Groups
from models.session import Connectivity

_MOST: Final = 50  # longer lists cost the embedded database more for each session


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    session: Stored
    connectivity: Connectivity

    def holds(self, session: Stored) -> bool:
        return session["status"] != "ACTIVE" or bool(session["connectivity"] == self.connectivity)


class Presence:
    """Sets the connectivity of sessions. `tell` hears of those that changed."""

    def __init__(self, sessions: Collection, tell: Callable[[list[Stored]], Awaitable[None]]) -> None:
        self._sessions = sessions
        self._tell = tell
        self._groups = Groups(self._set_all, _MOST)

    async def set(self, session: Stored, connectivity: Connectivity) -> Stored:
        """The session with this connectivity; one that is over stays CLOSED. `session` may be out of date."""
        wanted = _Wanted(session, connectivity)
        return session if wanted.holds(session) else await self._groups(wanted)

    async def _set_all(self, group: list[_Wanted]) -> list[Stored | Exception]:
        known: dict[ObjectId, Stored] = {one.session["_id"]: one.session for one in group}
        changed: dict[ObjectId, Stored] = {}
        left = group
        while left := [one for one in left if one.session["_id"] in known and not one.holds(known[one.session["_id"]])]:
            news = await self._change(known, left)
            for one in left:
                known.pop(one.session["_id"], None)
            known |= news
            changed |= news
        if changed:
            await self._tell(list(changed.values()))
        return [known.get(one.session["_id"]) or NotFound("No such session.") for one in group]

    async def _change(self, known: dict[ObjectId, Stored], wanted: list[_Wanted]) -> dict[ObjectId, Stored]:
        """The sessions as they are then; one that had changed meanwhile may still not be as wanted."""
        time = now()
        alike: dict[tuple[int, Connectivity], list[ObjectId]] = {}
        for one in wanted:
            session = known[one.session["_id"]]
            alike.setdefault((session["rev"], one.connectivity), []).append(session["_id"])
        news: dict[ObjectId, Stored] = {}
        updates: list[UpdateMany] = []
        for (rev, connectivity), ids in alike.items():
            changes: dict[str, Any] = {"connectivity": connectivity, "rev": rev + 1, "updatedAt": time}
            updates.append(UpdateMany({"_id": {"$in": ids}, "rev": rev}, {"$set": changes}))
            news |= {one: known[one] | changes for one in ids}
        result = await self._sessions.bulk_write(updates, ordered=False)
        if result.matched_count == len(wanted):
            return news
        return await find_by_ids(self._sessions, news)
