"""A record as one page to read and to print: no scripts, nothing from elsewhere, everything escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Any, Final

from handlers.base import Json
from models.chain import fingerprint

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.15rem; margin-top: 2rem; }
dl { display: grid; gap: 0.25rem 1.5rem; grid-template-columns: max-content 1fr; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
time, code { font-variant-numeric: tabular-nums; white-space: nowrap; }
code { white-space: normal; }
@media print {
  :root { color-scheme: light; }
  body { font-size: 9pt; margin: 0; max-width: none; padding: 0; }
  h2 { break-after: avoid; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ERASED: Final = "<em>erased</em>"
_MS_A_MINUTE: Final = 60_000


def html_of(record: Json) -> str:
    """The page."""
    session, user, exam = record["session"], record["user"], record["exam"] or {}
    heading = f"{user['name']}: {exam.get('title', 'an exam that was deleted')}"
    facts = [
        ("Student", f"{_text(user['name'])} ({_code(user['id'])})"),
        ("Exam", f"{_text(exam.get('title'))} ({_code(session['examId'])})"),
        ("Organisation", _text((record["organisation"] or {}).get("name"))),
        ("Session", _code(session["id"])),
        ("Began", _time(session["startTime"])),
        ("Let in", _time(session["activatedAt"])),
        ("Ended", _time(session["endTime"])),
        ("Status", _text(session["status"])),
        ("Verdict", _text(record["verdict"])),
        ("Activities", ", ".join(f"{count} {_text(severity)}" for severity, count in record["counts"].items())),
    ]
    ledger = [
        (
            _time(one["at"]),
            _text(one["kind"]),
            f"{one['ms'] / _MS_A_MINUTE:.1f}",
            _text(one["reason"]),
            _by(one["actorId"]),
        )
        for one in session["timeLedger"]
    ]
    activities = [
        (
            str(one["offset"]),
            _time(one["receivedAt"]) + (" (late)" if one["late"] else ""),
            _time(one["occurredAt"]),
            _text(one["type"]),
            _text(one["severity"]),
            _text(one["source"]),
            _data(one["data"]),
        )
        for one in record["activities"]
    ]
    given = _table("Time given", ("When", "What", "Minutes", "Why", "By"), ledger) if ledger else "<p>None.</p>"
    columns = ("Offset", "Received", "Occurred", "Type", "Severity", "Source", "What")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Record of {escape(heading)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Record of {_text(heading)}</h1>
{_list(facts)}
<h2>Time given</h2>
{given}
<h2>Seal</h2>
{_seals(record)}
<h2>Activities</h2>
<p>Times are in UTC. Received: by the server's clock, which decides. Occurred: what the student's computer said.</p>
{_table("Activities", columns, activities)}
</main>
</body>
</html>
"""


def _seals(record: Json) -> str:
    note = f"<p>Not all of it is sealed. {_text(record['note'])}</p>" if record["note"] else ""
    parts = [
        _list(
            [
                ("Sealed", _time(seal["sealedAt"])),
                ("Activities", f"{seal['count']}, offsets {seal['firstOffset']} to {seal['lastOffset']}"),
                ("Head", _code(seal["head"])),
                ("Key's fingerprint", _code(fingerprint(seal["publicKey"]))),
            ]
        )
        for seal in record["seals"]
    ]
    how = "<p>To check it, get the record as JSON and run <code>proctoring-server verify</code>.</p>" if parts else ""
    return note + "".join(parts) + how


def _list(facts: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{html}</dd>\n" for name, html in facts) + "</dl>"


def _table(name: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<table aria-label="{name}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'


def _data(data: Json | None) -> str:
    if data is None:
        return _ERASED
    return "<br>".join(f"{_text(name)}: {_text(value)}" for name, value in data.items())


def _text(value: Any) -> str:
    """Escaped, and set apart: a text that runs from right to left leaves the others as they are."""
    if value is None:
        return "&ndash;"
    return f"<bdi>{escape(str(value))}</bdi>"


def _code(value: str) -> str:
    return f"<code>{escape(value)}</code>"


def _by(actor_id: str | None) -> str:
    return _code(actor_id) if actor_id else "the server"


def _time(value: str | None) -> str:
    return f'<time datetime="{escape(value)}">{escape(value.replace("T", " "))}</time>' if value else "&ndash;"
