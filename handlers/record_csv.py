"""A record's activities as CSV, for a spreadsheet: nothing that a student wrote is run there as a formula."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import Any, Final

import orjson

from handlers.base import Json

_COLUMNS: Final = (
    *("offset", "receivedAt", "occurredAt", "late", "type", "severity", "source", "text", "data"),
    *("id", "sessionId", "userId", "actorId", "clientId", "seq", "salt", "dataHash", "link"),
)
# What a spreadsheet takes for a formula where a cell begins with it, also after blanks and in the wide forms.
_FORMULA: Final = frozenset("=+-@|%")
_LINE_END: Final = re.compile("[\x85\u2028\u2029]")  # those that JSON leaves as they are
_BYTE_ORDER_MARK: Final = "\ufeff"  # without it, spreadsheets read UTF-8 as something else


def csv_of(record: Json) -> str:
    """One line an activity, below a header. `text` is what somebody wrote, `data` all of the activity's data."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    for activity in record["activities"]:
        data = activity["data"]
        cells = activity | {
            "text": "erased" if data is None else written(data),
            "data": None if data is None else _LINE_END.sub(_escaped, orjson.dumps(data).decode()),
        }
        writer.writerow([_cell(cells[name]) for name in _COLUMNS])
    return _BYTE_ORDER_MARK + file.getvalue()


def written(data: Json) -> str:
    """What a person wrote in an activity."""
    texts = [str(data[name]) for name in ("text", "reason", "note") if data.get(name) is not None]
    return "; ".join(texts)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _cell(value: Any) -> str:
    """On one line; a cell that would be a formula begins with an apostrophe."""
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else " ".join(str(value).splitlines())
    begin = next((one for one in text if not one.isspace() and one.isprintable()), "")
    return f"'{text}" if unicodedata.normalize("NFKC", begin) in _FORMULA else text
