"""Who is really there: connectivity as sessions have it, and what the log says of those who go missing and come back.

The change is stored first and decides; what the log says follows from what is stored (`missingSince`, `backAt`), so
that after a crash in between `recover` can say it, and the log's guards let it be said once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from models.activity import Entry
from models.changes import Changes
from models.clock import MILLISECOND, outage_ms
from models.database import Stored
from models.errors import ProctoringError
from models.lifecycle import is_over, ledger_item
from models.log import ActivityLog
from models.session import Connectivity, Holder, entry_of, node_of

logger = logging.getLogger(__name__)


class Presence:
    """Sets the connectivity of sessions that are not over."""

    def __init__(self, changes: Changes, log: ActivityLog) -> None:
        self._changes = changes
        self._log = log

    async def set(
        self,
        session: Stored,
        connectivity: Connectivity,
        *,
        heard: datetime | None = None,
        still: Callable[[Stored], bool] = lambda _: True,
        holder: Holder | None = None,
    ) -> Stored:
        """The session with this connectivity; one that is over stays CLOSED. `session` may be out of date.

        `heard`: when the student was last heard of, for the log to say how long ago that is. `still`: whether it is
        wanted of the session as it is, asked once more at the last moment. `holder`: who hears of it from here on.
        """

        def decide(current: Stored, at: datetime) -> dict[str, Any] | None:
            before = current["connectivity"]
            moved: dict[str, Any] = {"holder": holder} if holder and current.get("holder") != holder else {}
            if is_over(current):
                return None
            if before == connectivity or (before, connectivity) == ("MISSING", "LATE"):
                return moved or None
            if not still(current):
                return None
            changes: dict[str, Any] = {"connectivity": connectivity} | moved
            if connectivity == "MISSING":
                changes |= {"missingSince": at, "backAt": None}
            elif before == "MISSING":
                changes["backAt"] = at
                if current["status"] == "ACTIVE" and (ms := outage_ms(current, at)):
                    credit = ledger_item("outage", ms, at, None, "The connection was lost.")
                    changes["timeLedger"] = [*current["timeLedger"], credit]
            return changes

        if session["connectivity"] == connectivity and holder in (None, session.get("holder")):
            return session
        session, changed = await self._changes.change(session, decide)
        if changed and session["missingSince"]:
            await self._record(session, heard)
        return session

    async def release(self, session: Stored, node_id: str) -> None:
        """No client is connected to this node any more, where it was to this one."""

        def decide(current: Stored, _: datetime) -> dict[str, Any] | None:
            connected = node_of(current) == node_id and current["holder"]["clientId"] is not None
            return {"holder": Holder(node=node_id, clientId=None)} if connected and not is_over(current) else None

        await self._changes.change(session, decide)

    async def _record(self, session: Stored, heard: datetime | None) -> None:
        log = self._log.of(session["examId"])
        for result in await log.append([one for one in absences(session, heard) if not await log.has(one)]):
            if isinstance(result, ProctoringError):  # the next start of the server says it
                logger.warning("an absence is recorded later: %s", result)


def absences(session: Stored, heard: datetime | None = None) -> list[Entry]:
    """What the log says of the last time that a session's student was missing: that, and when it came back."""
    since, back_at = session["missingSince"], session["backAt"]
    if since is None:
        return []
    data = {"durationMs": (since - heard) // MILLISECOND} if heard else {}
    entries = [_entry(session, "heartbeat_missing", since, since, data)]
    if back_at is not None:
        lasted = {"durationMs": (back_at - since) // MILLISECOND}
        entries.append(_entry(session, "heartbeat_resumed", since, back_at, lasted))
    return entries


def _entry(session: Stored, type_: str, since: datetime, at: datetime, data: dict[str, Any]) -> Entry:
    once = f"{type_}:{since.isoformat()}"
    return entry_of(session, type_, "server", data, actor_id=None, received_at=at, once=once)
