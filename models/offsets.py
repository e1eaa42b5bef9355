"""Reading a log by offset, using nothing but `_id`, which is made of exam and offset.

Offsets are dense, so a range is a list of known ids and the head is found by doubling and halving. That costs no
index, which the embedded database would pay for with every write, and it finds a range there in a hundredth of the
time of a range query over `_id`.
"""

from __future__ import annotations

from typing import Final

from bson import ObjectId

from models.database import Collection, Stored

MAX_READ: Final = 1000
_IDS_A_QUERY: Final = 100  # the embedded database's time for a longer list grows with its square


def record_id(exam_id: ObjectId, offset: int) -> str:
    """The `_id` of the record at `offset`."""
    return f"{exam_id}:{offset:010d}"


async def read_offsets(activity: Collection, exam_id: ObjectId, since: int, until: int) -> list[Stored]:
    """The records with `since < offset <= until`, in order; ends early at the log's end."""
    records: list[Stored] = []
    while since < until:
        upto = min(since + _IDS_A_QUERY, until)
        ids = [record_id(exam_id, offset) for offset in range(since + 1, upto + 1)]
        found: list[Stored] = await activity.find({"_id": {"$in": ids}}).to_list(None)
        found.sort(key=lambda record: int(record["offset"]))
        # A reader may overtake a writer within one query: what stands behind a gap is left for the next read.
        for record in found:
            if record["offset"] != since + 1:
                return records
            records.append(record)
            since += 1
        if len(found) < len(ids):
            return records
    return records


async def find_head(activity: Collection, exam_id: ObjectId) -> int:
    """The highest offset stored; 0 for an empty log."""

    async def stored(offset: int) -> bool:
        return await activity.find_one({"_id": record_id(exam_id, offset)}, {"_id": 1}) is not None

    beyond = 1
    while await stored(beyond):
        beyond *= 2
    low = beyond // 2  # stored, or 0
    while beyond - low > 1:
        middle = (low + beyond) // 2
        low, beyond = (middle, beyond) if await stored(middle) else (low, middle)
    return low
