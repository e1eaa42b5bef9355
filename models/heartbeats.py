"""Heartbeats: telemetry, many and small, each kept.

They gather for up to 25 ms and are stored as one document a group, so a heartbeat costs a small part of a write. A
group is folded, a minute after its minute, into one document a session and minute, whose `_id` is known from both: so
one session's heartbeats are read without a scan, and folding twice, after a crash in between, changes nothing.

Each node folds its own groups, and those of nodes that are gone. Once a second it tells the others whom it heard of.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from models.database import IDS_A_QUERY, Database, Stored, delete_by_ids, find_by_ids, is_unavailable, patience
from models.fields import now
from models.groups import Groups
from models.hints import Hints
from models.periodic import Periodic

logger = logging.getLogger(__name__)

_GATHER_S: Final = 0.025
_MOST_A_GROUP: Final = 5000
_FOLD_SLICE: Final = 100  # sessions folded in one go, so that the database serves others in between
_UNFOLDED_MINUTES: Final = 10
_LATE: Final = timedelta(minutes=1)  # by which a node may hear of the end of a session
_REMEMBERED: Final = timedelta(days=1)  # after a session's last heartbeat

_EPOCH_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_BEYOND: Final = datetime.max.replace(tzinfo=UTC)

Beat = tuple[ObjectId, ObjectId, datetime]  # of which session, in which exam
Beats = dict[ObjectId, list[datetime]]


class Heartbeats:
    """Stores heartbeats and reads them back. `last` is each session's latest, as far as this process knows."""

    def __init__(
        self, database: Database, hints: Hints | None = None, serves: Callable[[str | None], bool] = lambda _: False
    ) -> None:
        """`serves`: whether another node, by its id, still sees to its own."""
        self._hints = hints or Hints()
        self._serves = serves
        self._groups = database.heartbeat_groups
        self._minutes = database.heartbeats
        self._sessions = database.sessions
        store = database.measures.commits("heartbeats").over(self._store)
        self._beats = Groups(store, _MOST_A_GROUP, gather_s=_GATHER_S)
        self._unfolded: dict[int, Beats] = defaultdict(lambda: defaultdict(list))
        self._exams: dict[ObjectId, ObjectId] = {}
        self._folding = Periodic(60, self._fold_what_is_over, "folding heartbeats")
        self._telling = Periodic(1, self._tell, "telling who was heard of")
        self._untold: dict[ObjectId, datetime] = {}
        self._taken_up: dict[int, list[ObjectId]] = defaultdict(list)  # by minute, groups that others left
        self._numbered: dict[ObjectId, datetime] = {}
        self.last: dict[ObjectId, datetime] = {}

    async def open(self) -> None:
        """Take up what an earlier process had not folded, and fold from here on."""
        await self.take_up()
        self._folding.open()
        if self._hints.shared:
            self._telling.open()

    async def take_up(self, nodes: frozenset[str] | None = None) -> None:
        """Take up what nodes that are gone had not folded; `nodes`: of these alone."""
        with patience():
            async for group in self._groups.find({} if nodes is None else {"node": {"$in": list(nodes)}}):
                node = group.get("node")
                if node == self._hints.node_id:
                    continue
                if self._serves(node):  # whoever it heard of may not be heard of again
                    for session_id, at in zip(group["sessions"], group["times"], strict=True):
                        self.heard_elsewhere(session_id, at)
                    continue
                self._taken_up[group["minute"]].append(group["_id"])
                for session_id, exam_id, at in zip(group["sessions"], group["exams"], group["times"], strict=True):
                    self._remember(session_id, exam_id, at)
            self.forget(set(self._exams) - (await find_by_ids(self._sessions, self._exams, {"_id": 1})).keys())

    async def _tell(self) -> None:
        untold, self._untold = self._untold, {}
        self._hints.tell("heard", [f"{one}@{round(at.timestamp() * 1000)}" for one, at in untold.items()])

    def heard_elsewhere(self, session_id: ObjectId, at: datetime) -> None:
        """Another node has stored a heartbeat."""
        if at >= self.last.get(session_id, at):
            self.last[session_id] = at

    async def close(self) -> None:
        await self._telling.close()
        await self._folding.close()
        await self._beats.close()

    @property
    def waiting(self) -> int:
        """How many wait for their group to begin."""
        return self._beats.waiting

    async def beat(self, session_id: ObjectId, exam_id: ObjectId) -> datetime:
        """Record one heartbeat; returns its moment once it is stored."""
        at = now()
        last = self._numbered.get(session_id)
        if last is not None and at <= last:  # a session's moments differ, so that each is kept
            at = last + timedelta(milliseconds=1)
        self._numbered[session_id] = at
        await self._beats((session_id, exam_id, at))
        return at

    @property
    def waits_s(self) -> float:
        """How long the one that has waited longest to be stored waits by now, in seconds; 0 where none does."""
        return self._beats.waits_s

    async def _store(self, beats: list[Beat]) -> list[None]:
        """In groups of one minute each: nearly always there is one. A clock that is set back may bring about two."""
        by_minute: dict[int, list[Beat]] = defaultdict(list)
        for beat in beats:
            by_minute[_minute(beat[2])].append(beat)
        for minute, group in by_minute.items():
            await self._groups.insert_one(
                {
                    "minute": minute,
                    "node": self._hints.node_id,
                    "sessions": [session_id for session_id, _, _ in group],
                    "exams": [exam_id for _, exam_id, _ in group],
                    "times": [at for _, _, at in group],
                }
            )
            for beat in group:
                self._remember(*beat)
                if self._hints.shared:
                    self._untold[beat[0]] = beat[2]
        return [None] * len(beats)

    def _remember(self, session_id: ObjectId, exam_id: ObjectId, at: datetime) -> None:
        self._unfolded[_minute(at)][session_id].append(at)
        self._exams[session_id] = exam_id
        if at >= self.last.get(session_id, at):
            self.last[session_id] = at

    async def read(self, session: Stored, start: datetime | None, end: datetime | None, limit: int) -> list[datetime]:
        """A session's heartbeats with `start <= at < end`, in order, the first `limit`."""
        last = self.last.get(session["_id"]) or session["lastHeartbeatAt"] or session["startTime"]
        if self._hints.shared:  # another node may have heard of it since, and its hint may be lost
            last = max(last, now() if session["endTime"] is None else session["endTime"] + _LATE)
        start = max(start or session["startTime"], session["startTime"])
        end = min(end or _BEYOND, last + timedelta(milliseconds=1))
        found: set[datetime] = set()
        for first in range(_minute(start), _minute(end) + 1, IDS_A_QUERY):
            minutes = range(first, min(first + IDS_A_QUERY, _minute(end) + 1))
            for stored in (await find_by_ids(self._minutes, [_id(session["_id"], one) for one in minutes])).values():
                found.update(stored["times"])
            for minute in minutes:
                if minute in self._unfolded:
                    found.update(self._unfolded[minute].get(session["_id"], ()))
            if self._hints.shared:
                found.update(await self._elsewhere(session["_id"], minutes))
            found = {at for at in found if start <= at < end}
            if len(found) >= limit:
                break
        return sorted(found)[:limit]

    async def _elsewhere(self, session_id: ObjectId, minutes: range) -> list[datetime]:
        """Of the latest minutes, what other nodes have not folded yet."""
        latest = [one for one in minutes if one >= _minute(now()) - _UNFOLDED_MINUTES]
        if not latest:
            return []
        query = {"minute": {"$in": latest}, "sessions": session_id}
        groups: list[Stored] = await self._groups.find(query).to_list(None)
        return [
            at
            for group in groups
            if group.get("node") != self._hints.node_id
            for one, at in zip(group["sessions"], group["times"], strict=True)
            if one == session_id
        ]

    def forget(self, session_ids: set[ObjectId]) -> None:
        """Drop what is remembered of sessions that were deleted."""
        for session_id in session_ids:
            self.last.pop(session_id, None)
            self._numbered.pop(session_id, None)
            self._exams.pop(session_id, None)
            for beats in self._unfolded.values():
                beats.pop(session_id, None)

    async def erase(self, session: Stored) -> None:
        """Delete a session's heartbeats. What is not folded yet goes unfolded, or is here at another time."""
        last = self.last.get(session["_id"]) or session["lastHeartbeatAt"] or session["startTime"]
        self.forget({session["_id"]})
        latest = max(last, session["endTime"] or last)
        minutes = range(_minute(session["startTime"]), _minute(latest) + 2)
        await delete_by_ids(self._minutes, [_id(session["_id"], minute) for minute in minutes])

    async def _fold_what_is_over(self) -> None:
        await self.fold(_minute(now()) - 1)

    async def fold(self, before: int) -> None:
        """Fold the groups of all minutes before this one (in minutes since the epoch)."""
        for minute in sorted(minute for minute in self._unfolded if minute < before):
            beats = list(self._unfolded[minute].items())
            for first in range(0, len(beats), _FOLD_SLICE):
                await self._fold_slice(minute, beats[first : first + _FOLD_SLICE])
            with patience():
                await self._groups.delete_many({"minute": minute, "node": self._hints.node_id})
                await delete_by_ids(self._groups, self._taken_up[minute])
            del self._unfolded[minute], self._taken_up[minute]
        old = now() - _REMEMBERED
        self.forget({session_id for session_id, at in self._numbered.items() if at < old})

    async def _fold_slice(self, minute: int, beats: list[tuple[ObjectId, list[datetime]]]) -> None:
        documents: list[Stored] = [
            {"_id": _id(session_id, minute), "examId": self._exams[session_id], "times": list(dict.fromkeys(times))}
            for session_id, times in beats
            if session_id in self._exams  # else it was deleted meanwhile
        ]
        if not documents:
            return
        with patience():
            try:
                await self._minutes.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                if is_unavailable(error) or any(failed["code"] != 11000 for failed in error.details["writeErrors"]):
                    raise
                taken = {failed["op"]["_id"] for failed in error.details["writeErrors"]}
                await self._minutes.bulk_write(
                    [
                        UpdateOne({"_id": one["_id"]}, {"$addToSet": {"times": {"$each": one["times"]}}})
                        for one in documents
                        if one["_id"] in taken
                    ],
                    ordered=False,
                )
            # Of those who have not beaten since; of the others a later minute tells. Each costs an update.
            last = [(session_id, max(times)) for session_id, times in beats if max(times) == self.last.get(session_id)]
            if last:
                await self._sessions.bulk_write(
                    [UpdateOne({"_id": session_id}, {"$max": {"lastHeartbeatAt": at}}) for session_id, at in last],
                    ordered=False,
                )


def _minute(at: datetime) -> int:
    """The minute since the epoch that a moment in UTC is in."""
    return (at.toordinal() - _EPOCH_DAY) * 1440 + at.hour * 60 + at.minute


def _id(session_id: ObjectId, minute: int) -> str:
    return f"{session_id}:{minute}"
