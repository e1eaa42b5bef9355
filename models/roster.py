"""A list of people who are to get accounts, as it is sent: JSON, or the CSV that a spreadsheet writes.

What is wrong with the list as a whole is refused here; what is wrong with one of its lines is that line's own matter.
No refusal repeats what was sent: there may be passwords in it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from models.errors import InvalidPayload
from models.fields import Email, Name, Password, Payload

MOST_LINES: Final = 500
_COLUMNS: Final = frozenset({"name", "email", "role", "password"})
_NEEDED: Final = frozenset({"name", "email"})


class NewAccount(Payload):
    """Without a `password` the server makes one."""

    name: Name
    email: Email
    role: Literal["ADMIN", "PROCTOR", "STUDENT"] = "STUDENT"
    password: Password | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """`number`: where a person finds it, see the two functions below. `fields` are not looked at yet."""

    number: int
    fields: Any


def read_json(content: bytes) -> list[Line]:
    """The items of a JSON list, numbered from 1."""
    try:
        items = orjson.loads(content)
    except ValueError as error:
        raise InvalidPayload("The body is not JSON.", [{"loc": ["body"], "msg": str(error)}]) from error
    if not isinstance(items, list):
        raise InvalidPayload("The body is not a JSON list.", [{"loc": ["body"], "msg": "not a list"}])
    return _few(Line(number, item) for number, item in enumerate(items, 1))


def read_csv(content: bytes) -> list[Line]:
    """The lines below the header, each with the number of the line in the file that it begins in, as editors show it.

    UTF-8, with or without a byte order mark; separated by `,` or `;`; empty lines mean nothing. The header names the
    columns in any order and case. An empty role or password is as good as none.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        details = [{"loc": ["body"], "msg": f"not UTF-8 from byte {error.start + 1} on"}]
        raise InvalidPayload("The CSV is not UTF-8. Spreadsheets save it as “CSV UTF-8”.", details) from error
    rows = _rows(text)
    _, header = next(rows, (1, []))
    columns = _columns(header)
    return _few(Line(number, _fields(columns, cells)) for number, cells in rows)


def _few(lines: Iterator[Line]) -> list[Line]:
    found: list[Line] = []
    for line in lines:
        if len(found) == MOST_LINES:
            details = [{"loc": ["body"], "msg": f"more than {MOST_LINES} lines"}]
            raise InvalidPayload(f"One request takes {MOST_LINES} lines; send the others in another.", details)
        found.append(line)
    return found


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, and the line that each begins in: a quoted cell may go over several."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = ";" if ";" in header else ","  # no column has either in its name
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        details = [{"loc": ["body", begins], "msg": str(error)}]
        raise InvalidPayload(f"The CSV cannot be read from line {begins} on.", details) from error


def _columns(header: Sequence[str]) -> list[str]:
    """What each column is; one without a name, as spreadsheets leave them, may have nothing in it."""
    columns = [re.sub(r"[-\s]", "", cell).casefold() for cell in header]  # "E-Mail" is a usual name
    wrong = [
        {"loc": ["header", place], "msg": "named twice" if name in columns[: place - 1] else "no such column"}
        for place, name in enumerate(columns, 1)
        if name and (name not in _COLUMNS or name in columns[: place - 1])
    ]
    wrong += [{"loc": ["header"], "msg": f"no column {name}"} for name in sorted(_NEEDED - set(columns))]
    if wrong:
        raise InvalidPayload(
            "The first line of the CSV must name its columns: name and email, and where wanted role and password.",
            wrong[:20],
        )
    return columns


def _fields(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """A line as if it were JSON. What stands in no column is an unknown field of it."""
    fields = {name: cell for name, cell in zip(columns, cells, strict=False) if name}
    for name in fields.keys() - {"password"}:
        fields[name] = fields[name].strip()
    if "role" in fields:
        fields["role"] = fields["role"].upper()
    for place, cell in enumerate(cells, 1):
        if cell.strip() and (place > len(columns) or not columns[place - 1]):
            fields[f"column {place}"] = cell
    return {name: cell for name, cell in fields.items() if cell or name in _NEEDED}
