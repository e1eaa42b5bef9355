"""Where in an exam's log each session's records are, so that they are read by their ids.

An index by session would cost the embedded database as much for each record as all else. Instead the log is cut into
segments, always at the same offsets. What a whole segment holds never changes, so its places are stored as one document
whose `_id` is known, and storing them twice, after a crash or by another process, changes nothing. Those of the last
segment, which is not whole yet, go into the note on what is known of the log (`models/known.py`).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Final

from bson import ObjectId

from models.database import IDS_A_QUERY, Database, Stored, delete_by_ids, find_by_ids
from models.offsets import MAX_READ, read_offsets, record_id

_SEGMENT: Final = 2000  # offsets; what is stored was cut by it, so it stays as it is


class Places:
    """Of one exam's log, up to its head. Only those that are not stored yet are in memory."""

    def __init__(self, database: Database, exam_id: ObjectId) -> None:
        self._activity = database.activity
        self._segments = database.places
        self._exam_id = exam_id
        self._kept: defaultdict[int, defaultdict[str, array[int]]] = defaultdict(lambda: _segment({}))
        self._head = 0

    def add(self, session_id: ObjectId | None, offset: int) -> None:
        """Remember where the next record is."""
        self._kept[_number(offset)][str(session_id)].append(offset)
        self._head = offset

    def note(self) -> Mapping[str, bytes]:
        """Those in the last segment, for `load`; none where it is whole."""
        return _noted(self._kept.get(self._head // _SEGMENT, {}))

    async def load(self, upto: int, note: Mapping[str, bytes]) -> bool:
        """Take up what was noted when the head was `upto`; whether all the segments before it are stored."""
        ids = segment_ids(self._exam_id, upto)
        if len(await find_by_ids(self._segments, ids, {"_id": 1})) < len(ids):
            return False
        self._kept[upto // _SEGMENT] = _segment(note)
        self._head = upto
        return True

    async def store(self, upto: int) -> None:
        """Store the segments that are whole with the offset `upto`, and drop them from memory."""
        for number in [one for one in self._kept if one < upto // _SEGMENT]:
            # In place of what may be there: of a log that was put back from a backup, it may be wrong.
            segment = {"sessions": _noted(self._kept[number])}
            await self._segments.replace_one({"_id": self._id(number)}, segment, upsert=True)
            del self._kept[number]

    async def records(self, session_id: ObjectId | None, since: int, *, beyond: bool = True) -> AsyncIterator[Stored]:
        """A session's records after `since`, in order; they are read as they are asked for. `beyond`: also those that
        another process has written and this one does not know yet, for which all there are beyond the head are read.
        """
        head = max(self._head, since)
        offsets = await self._offsets(str(session_id), since, head)
        for first in range(0, len(offsets), IDS_A_QUERY):
            ids = [record_id(self._exam_id, offset) for offset in offsets[first : first + IDS_A_QUERY]]
            found = await find_by_ids(self._activity, ids)
            for one in ids:
                if one in found:  # else it goes with its exam
                    yield found[one]
        while beyond and (records := await read_offsets(self._activity, self._exam_id, head, head + MAX_READ)):
            for record in records:
                if record["sessionId"] == session_id:
                    yield record
            head = records[-1]["offset"]

    async def _offsets(self, session: str, since: int, upto: int) -> list[int]:
        numbers = range(_number(since + 1), _number(upto) + 1)
        found = {number: self._kept[number].get(session, array("I")) for number in numbers if number in self._kept}
        ids = {self._id(number): number for number in numbers if number not in found}
        for id_, stored in (await find_by_ids(self._segments, ids, {f"sessions.{session}": 1})).items():
            found[ids[id_]] = _segment(stored["sessions"])[session]
        return [offset for number in sorted(found) for offset in found[number] if since < offset <= upto]

    async def delete(self) -> None:
        """Delete the log, after its note. Its records go from the last one on, so that what a crash leaves is a log,
        which can be deleted again.
        """
        await delete_by_ids(self._segments, [self._id(number) for number in range(_number(self._head) + 1)])
        beyond = self._head + IDS_A_QUERY  # where a crash has left a gap among those that went at once
        await delete_by_ids(self._activity, [record_id(self._exam_id, offset) for offset in range(beyond, 0, -1)])

    def _id(self, number: int) -> str:
        return f"{self._exam_id}:{number}"


def segment_ids(exam_id: ObjectId, upto: int) -> list[str]:
    """The `_id`s of the segments that are whole with the offset `upto`."""
    return [f"{exam_id}:{number}" for number in range(upto // _SEGMENT)]


def _number(offset: int) -> int:
    """Of the segment that an offset is in: 0, 1, 2, …"""
    return (offset - 1) // _SEGMENT


def _segment(note: Mapping[str, bytes]) -> defaultdict[str, array[int]]:
    """Each session's offsets within one segment, in order."""
    return defaultdict(lambda: array("I"), {session: array("I", offsets) for session, offsets in note.items()})


def _noted(segment: Mapping[str, array[int]]) -> dict[str, bytes]:
    """For `_segment`. The embedded database reads bytes six times as fast as lists."""
    return {session: offsets.tobytes() for session, offsets in segment.items()}
