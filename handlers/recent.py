"""The latest of each exam's log as JSON, so that consoles that come back need no database.

After a disturbance of the network all consoles join again at once, each some records behind. On the embedded database a
thousand records cost a tenth of a second to read, which those who report would wait for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import orjson
from bson import ObjectId

_MOST_BYTES: Final = 8 * 1024 * 1024  # some twenty thousand records, five minutes of an exam of 2,000


@dataclass(slots=True)
class _Tail:
    """The latest records of one exam, without a gap; `end` is the last one's offset."""

    end: int
    records: deque[bytes] = field(default_factory=deque)


class Recent:
    """What this process saw committed last. Past `most_bytes` the exam that was quiet longest loses its oldest."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._tails: dict[ObjectId, _Tail] = {}  # who was quiet longest comes first

    def add(self, exam_id: ObjectId, first: int, records: list[bytes]) -> None:
        """Keep records, whose offsets run from `first`; what they do not follow is dropped."""
        tail = self._tails.pop(exam_id, None)
        if tail is None or tail.end != first - 1:
            self._bytes -= sum(map(len, tail.records)) if tail else 0
            tail = _Tail(first - 1)
        self._tails[exam_id] = tail
        tail.records += [bytes(memoryview(record)) for record in records]  # orjson's own hold 4 KiB each for ever
        tail.end += len(records)
        self._bytes += sum(map(len, records))
        while self._bytes > self._most_bytes:
            quiet = next(iter(self._tails))
            self._bytes -= len(self._tails[quiet].records.popleft())
            if not self._tails[quiet].records:
                del self._tails[quiet]

    def forget(self, exam_id: ObjectId) -> None:
        """Drop what is kept of one exam."""
        tail = self._tails.pop(exam_id, None)
        self._bytes -= sum(map(len, tail.records)) if tail else 0

    def after(self, exam_id: ObjectId, since: int, head: int, limit: int) -> list[orjson.Fragment] | None:
        """The records with `since < offset <= head`, in order, the first `limit`; None where they are not all here."""
        if since >= head:
            return []
        tail = self._tails.get(exam_id)
        if tail is None or tail.end != head or since < head - len(tail.records):
            return None
        first = len(tail.records) - (head - since)
        return [orjson.Fragment(record) for record in islice(tail.records, first, first + limit)]
