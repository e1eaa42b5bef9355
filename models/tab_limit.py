"""How often a student may hide the exam's page, and what an exam's policy does about the one that is too much."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from bson import ObjectId

from models.activity import Severity
from models.database import Stored
from models.log import ActivityLog
from models.orders import Orders, Wish


class Traits(TypedDict, total=False):
    """What is special about an entry; see Entry."""

    severity: Severity
    counted: bool


class TabLimit:
    """Counts what the log has, so that a restart forgets nothing and a repeat counts once."""

    def __init__(self, log: ActivityLog, orders: Orders) -> None:
        self._log = log
        self._orders = orders

    def traits(
        self, exam: Stored | None, session: Stored, type_: str, data: dict[str, Any], at: datetime, ahead: int = 0
    ) -> Traits:
        """What is special about an entry: whether it counts, and that it is high past the limit within ten minutes.

        `ahead`: how many that count are about to be recorded before it. The log is open.
        """
        if type_ != "tab_change" or not data["hidden"] or session["status"] != "ACTIVE":
            return {}
        limit = exam["policy"]["tabChangeLimit"] if exam else None
        summary = self._log.of(session["examId"]).summary(session["_id"])
        if limit is not None and summary.hidden_recently(at) + ahead >= limit:
            return {"counted": True, "severity": "high"}
        return {"counted": True}

    async def enforce(self, exam: Stored, session: Stored) -> None:
        """After one more that counts was recorded: pause or end a session that is past its limit."""
        limit, action = exam["policy"]["tabChangeLimit"], exam["policy"]["onTabChangeLimit"]
        if limit is None or action == "flag" or session["status"] != "ACTIVE":
            return
        hidden = self._log.of(session["examId"]).summary(session["_id"]).hidden
        if hidden > limit:
            reason = f"The exam's page was hidden {hidden} times; this exam allows {limit}."
            await self._orders.give(ObjectId(), exam, session, Wish(action=action, reason=reason))
