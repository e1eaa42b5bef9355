"""A migration: documents from before there was supervision get what it expects. Done twice is done once."""

from __future__ import annotations

from models.database import Database, Stored, patience
from models.policy import DEFAULT

_WITHOUT_TERMS = {"terms": {"$exists": False}}


async def upgrade(database: Database) -> None:
    """Exams get a policy, sessions a clock."""
    with patience():
        await database.exams.update_many(
            {"policy": {"$exists": False}}, {"$set": {"policy": DEFAULT, "accommodations": []}}
        )
        old: list[Stored] = await database.sessions.find(_WITHOUT_TERMS).to_list(None)
        for session in old:
            exam: Stored | None = await database.exams.find_one({"_id": session["examId"]})
            clock = {
                "activatedAt": session["startTime"],
                "runningSince": session["startTime"],
                "pausedAt": None,
                "missingSince": None,
                "backAt": None,
                "timeLedger": [],
                "orders": [],
                "terms": {
                    "allowedMs": (exam["duration"] if exam else 0) * 60_000,
                    "endsAt": exam["endsAt"] if exam else None,
                    "outageCreditMs": 0,
                },
            }
            owed = session.get("unlogged")
            if owed is not None:
                clock["unlogged"] = owed if isinstance(owed, list) else [owed]
            await database.sessions.update_one({"_id": session["_id"]} | _WITHOUT_TERMS, {"$set": clock})
