"""Watches every session that is not over, by the server's clock: whose time is up, and who has not been heard of.

No timer and no query a session: each has one moment at which it is looked at next, and those moments are a heap. A
heartbeat only notes when it came; that a session is heard of is seen when its moment comes, every one to two intervals.

Where there are several nodes each watches all sessions, but the one that hears of a session sees to it. The others do
once that node is lost, and end a session whose time has been up for a while; the database lets one of them do it.

A student is LATE after twice the interval that its client was told without a heartbeat, MISSING after four times. What
the server itself or its database slept through, and a while after that and after a start, does not count: clients need
time to come back.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from bson import ObjectId
from pymongo.errors import PyMongoError

from models.clock import MILLISECOND, times_out_at
from models.database import Stored
from models.errors import NotFound, ProctoringError
from models.fields import now
from models.hints import Hints
from models.lifecycle import is_over
from models.nodes import Nodes
from models.periodic import Periodic, cancel
from models.presence import Presence
from models.session import Connectivity, Holder, node_of
from models.sessions import Sessions

logger = logging.getLogger(__name__)

_TICK_S: Final = 0.25
_SLEPT: Final = timedelta(seconds=2)  # since the last look: the server stood still
_UNNOTED_S: Final = 3.0  # the database stood still: nobody could come back
_RETRY_S: Final = 1.0
_LATE: Final = 2  # intervals without a heartbeat
_MISSING: Final = 4
_GRACE: Final = 2  # intervals more after a start of the server, a stand-still, or the loss of the session's node
_BEHIND: Final = timedelta(seconds=3)  # for a session's own node to end it

Work: TypeAlias = Callable[[], Awaitable[Stored]]


class _Watched:
    """One session. `due`: when it is looked at next. `busy`: something is being done about it."""

    __slots__ = ("busy", "due", "heard", "interval", "interval_ms", "session")

    def __init__(self, session: Stored, heard: datetime, interval: timedelta) -> None:
        self.session = session
        self.heard = heard
        self.interval = interval
        self.interval_ms = interval // MILLISECOND
        self.due: datetime | None = None
        self.busy = False


class Watch:
    """`interval`: between heartbeats, for clients that have not been told yet."""

    def __init__(self, sessions: Sessions, presence: Presence, interval: timedelta, hints: Hints, nodes: Nodes) -> None:
        self._hints = hints
        self._nodes = nodes
        self._sessions = sessions
        self._presence = presence
        self._watched: dict[ObjectId, _Watched] = {}
        self._heap: list[tuple[datetime, ObjectId]] = []
        self._looked = now()
        self._quiet_until = self._looked  # nobody counts as unheard of before
        self._ticking = Periodic(_TICK_S, self._tick, "looking at the sessions")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._interval = interval
        sessions.subscribe(self._changed)

    def __len__(self) -> int:
        return len(self._watched)

    def states(self) -> Counter[tuple[str, str]]:
        """How many of the watched there are by connectivity and status."""
        sessions = (one.session for one in self._watched.values())
        return Counter((session["connectivity"], session["status"]) for session in sessions)

    async def open(self, live: Iterable[Stored]) -> None:
        """Watch from here on, beginning with the sessions that an earlier process left."""
        self._looked = now()
        self._quiet_until = self._looked + _GRACE * self._interval
        await self._changed(list(live))
        self._ticking.open()

    async def take_over(self, nodes: frozenset[str], live: Iterable[Stored]) -> None:
        """See to what these nodes, which were lost, heard of; first of all `spare` their clients."""
        await self._changed(list(live))
        self.spare(nodes)

    def spare(self, nodes: frozenset[str]) -> None:
        """The clients of these nodes, which were lost, need time to come to another one."""
        for watched in self._watched.values():
            if node_of(watched.session) in nodes:
                watched.heard = max(watched.heard, now() + _GRACE * watched.interval)
                self._plan(watched)

    async def close(self) -> None:
        await self._ticking.close()
        await cancel(*self._tasks)

    def alive(self, session: Stored, interval_ms: int) -> None:
        """The student is there, and was told to be heard of again in so many milliseconds."""
        watched = self._heard(session, interval_ms)
        if watched is None or watched.busy:
            return
        # Its own node is told of it by a hint (`Heartbeats`), where hints come through.
        holder = None if self._mine(watched) or self._hints.healthy else self._here(None)
        if watched.session["connectivity"] != "ONLINE" or holder:
            self._do(watched, lambda: self._presence.set(watched.session, "ONLINE", holder=holder))

    def answered(self, session: Stored) -> None:
        """The student's heartbeat is being answered, which may have taken long: the next one is due from here on."""
        watched = self._watched.get(session["_id"])
        if watched is not None:
            watched.heard = now()

    def heard_elsewhere(self, session_id: ObjectId) -> None:
        """Another node heard of the student."""
        watched = self._watched.get(session_id)
        if watched is not None:
            watched.heard = now()
            if watched.session["connectivity"] != "ONLINE" and self._mine(watched) and not watched.busy:
                self._do(watched, lambda: self._presence.set(watched.session, "ONLINE"))

    async def arrive(self, session: Stored, interval_ms: int, client_id: str | None = None) -> Stored:
        """As `alive`, by this client's connection; returns the session once it is ONLINE and its connection known to
        other nodes, or as it is where it is over.
        """
        watched = self._heard(session, interval_ms)
        if watched is not None and watched.session["rev"] > session["rev"]:
            session = watched.session
        return await self._presence.set(session, "ONLINE", holder=self._here(client_id))

    async def leave(self, session: Stored) -> None:
        """No client is connected here any more; the session is still this node's."""
        if self._hints.shared:
            await self._presence.release(session, self._hints.node_id)

    def _here(self, client_id: str | None) -> Holder | None:
        return Holder(node=self._hints.node_id, clientId=client_id) if self._hints.shared else None

    def _mine(self, watched: _Watched) -> bool:
        return not self._nodes.serves(node_of(watched.session))

    def _heard(self, session: Stored, interval_ms: int) -> _Watched | None:
        watched = self._watched.get(session["_id"])
        if watched is not None:
            watched.heard = now()
            if interval_ms != watched.interval_ms:
                watched.interval_ms, watched.interval = interval_ms, timedelta(milliseconds=interval_ms)
                self._plan(watched)
        return watched

    def look(self, at: datetime) -> None:
        """Do what is due at `at`, the server's time. What is begun goes on by itself: see `idle`."""
        if self._looked - at > _SLEPT:
            self._set_back(at)
        if at - self._looked > _SLEPT or self._nodes.unnoted_s > _UNNOTED_S:
            self._quiet_until = at + _GRACE * self._interval
        self._looked = at
        while self._heap and self._heap[0][0] <= at:
            due, session_id = heapq.heappop(self._heap)
            watched = self._watched.get(session_id)
            if watched is not None and watched.due == due:
                watched.due = None
                self._look_at(watched, at)

    def _set_back(self, at: datetime) -> None:
        """The clock was ahead, and with it all that was planned by it."""
        self._quiet_until, self._heap = at + _GRACE * self._interval, []
        for watched in self._watched.values():
            watched.heard, watched.due = min(watched.heard, at), None
            self._plan(watched)

    async def idle(self) -> None:
        """Wait until all is done that is begun."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _look_at(self, watched: _Watched, at: datetime) -> None:
        if watched.busy:  # it is looked at again after that
            return
        session, connectivity = watched.session, watched.session["connectivity"]
        ends, mine = times_out_at(session), self._mine(watched)
        if ends is not None and ends + (timedelta() if mine else _BEHIND) <= at:
            self._do(watched, lambda: self._sessions.time_out(session, at))
        elif not mine:
            self._plan(watched)
        elif connectivity != "MISSING" and self._silent_at(watched, _MISSING) <= at:
            self._call(watched, "MISSING", at, _MISSING)
        elif connectivity == "ONLINE" and self._silent_at(watched, _LATE) <= at:
            self._call(watched, "LATE", at, _LATE)
        else:
            self._plan(watched)

    def _call(self, watched: _Watched, connectivity: Connectivity, at: datetime, intervals: int) -> None:
        """Call a student LATE or MISSING, unless it is heard of at the last moment."""

        heard, node = watched.heard, node_of(watched.session)

        def still(current: Stored) -> bool:
            return node_of(current) == node and self._silent_at(watched, intervals) <= at

        self._do(watched, lambda: self._presence.set(watched.session, connectivity, heard=heard, still=still))

    def _silent_at(self, watched: _Watched, intervals: int) -> datetime:
        """When it has not been heard of for so many intervals."""
        return max(watched.heard, self._quiet_until) + intervals * watched.interval

    def _plan(self, watched: _Watched) -> None:
        """Have it looked at when there is something to see next."""
        session, mine = watched.session, self._mine(watched)
        moments = [] if (ends := times_out_at(session)) is None else [ends if mine else ends + _BEHIND]
        if mine and session["connectivity"] != "MISSING":
            moments.append(self._silent_at(watched, _LATE if session["connectivity"] == "ONLINE" else _MISSING))
        due = min(moments, default=None)
        if due is not None and (watched.due is None or due < watched.due):
            watched.due = due
            heapq.heappush(self._heap, (due, session["_id"]))

    async def _changed(self, sessions: list[Stored]) -> None:
        """Sessions are as these from here on, unless something newer is known."""
        for session in sessions:
            watched = self._watched.get(session["_id"])
            if is_over(session):
                self._watched.pop(session["_id"], None)
            elif watched is None:
                watched = self._watched[session["_id"]] = _Watched(session, now(), self._interval)
                self._plan(watched)
            elif session["rev"] >= watched.session["rev"]:
                was_mine, watched.session = self._mine(watched), session
                if not was_mine:
                    watched.heard = max(watched.heard, now())
                self._plan(watched)

    def _do(self, watched: _Watched, work: Work) -> None:
        """Do something about a session, beside the clock."""
        watched.busy = True
        task = asyncio.create_task(self._until_done(watched, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_done(self, watched: _Watched, work: Work) -> None:
        session_id = watched.session["_id"]
        while True:
            try:
                session = await work()
            except NotFound:  # it went with its exam
                self._watched.pop(session_id, None)
                return
            except (ProctoringError, PyMongoError) as error:
                logger.warning("what is due for session %s is done later: %s", session_id, error)
                await asyncio.sleep(_RETRY_S)
            else:
                break
        watched.busy = False
        await self._changed([session])
        came = watched.heard + _LATE * watched.interval > now()  # while it was being called missing
        if session_id in self._watched and session["connectivity"] != "ONLINE" and came:
            self._do(watched, lambda: self._presence.set(watched.session, "ONLINE"))

    async def _tick(self) -> None:
        self.look(now())
