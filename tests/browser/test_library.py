"""The client library on a page that is not ours: what README.md shows, in a browser whose tabs are really hidden."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.app import Running
from server.settings import Settings
from tests.browser.cdp import Tab, Tabs, browser_with_tabs
from tests.browser.network import Network, network_to
from tests.clients import Socket, uuid
from tests.conftest import Organisation
from tests.test_readme import blocks

INTERVAL_MS = 400

# The README's own lines, and what the tests look at.
(EXAMPLE,) = blocks("html")
PAGE = """<!doctype html><title>An exam site</title><p>Question 1</p><textarea></textarea>
<script>
  const given = new URLSearchParams(location.hash.slice(1));
  const [token, examId] = [given.get("token"), given.get("exam")];
  window.alert = (text) => (window.alerted = text);
</script>
""" + EXAMPLE.replace(
    "proctoring.start(examId);",
    """(window.started = proctoring.start(examId).catch((error) => error.code));
  proctoring.on("pending", (count) => (window.pending = count));
""",
).replace("const proctoring", "const proctoring = window.proctoring")

# How long two timers of 50 ms take, one after the other.
TWO_TIMERS = """new Promise((done) => {
  const from = performance.now();
  setTimeout(() => setTimeout(() => done(performance.now() - from), 50), 50);
})"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"heartbeat_interval_ms": INTERVAL_MS, "cors_origins": ["*"]})


@pytest.fixture
async def network(server: Running) -> AsyncIterator[Network]:
    async with network_to(server.url) as network:
        yield network


@dataclass
class Visitor:
    """A student with a browser, and an exam site of another origin."""

    tabs: Tabs
    site: str
    url: str
    school: Organisation
    pages: dict[str, str]

    async def visit(self, options: str = "") -> Tab:
        """The site's page in a new tab; `options`: more of those that `connect` gets."""
        self.pages["/exam"] = PAGE.replace("https://proctoring.example", self.url).replace(
            "token }", f"token, {options} }}"
        )
        tab = await self.tabs.open(f"{self.site}/exam#token={self.school.student.token}&exam={self.school.exam_id}")
        await tab.until("window.started")
        return tab


@pytest.fixture
async def visitor(network: Network, school: Organisation, tmp_path: Path) -> AsyncIterator[Visitor]:
    pages: dict[str, str] = {}

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=pages[request.path], content_type="text/html")

    app = web.Application()
    app.router.add_get("/exam", show)
    async with TestServer(app) as site, browser_with_tabs(tmp_path / "profile") as tabs:
        yield Visitor(tabs, str(site.make_url("")).rstrip("/"), network.url, school, pages)


async def started(tab: Tab) -> None:
    await tab.until("window.proctoring?.connection === 'online'")


async def changes_of_tabs(school: Organisation, session_id: str) -> list[dict[str, Any]]:
    path = f"/routes/proctoring/{session_id}/activity?type=tab_change&limit=500"
    found: list[dict[str, Any]] = await school.proctor.api.ok("GET", path)
    return found


async def test_a_hidden_tab_is_reported_and_goes_on_beating(
    visitor: Visitor, school: Organisation, console: Socket
) -> None:
    tab = await visitor.visit()
    await started(tab)
    session = await tab.run("proctoring.session.id")
    await visitor.tabs.open("about:blank")
    await tab.until("document.hidden")
    hidden = await console.activity("tab_change")
    assert hidden["data"]["hidden"] is True
    # The page's own timers are slowed down to one a second now, which would call the student late.
    assert await tab.run(TWO_TIMERS) > 900
    beats = f"/routes/proctoring/{session}/heartbeats"
    before = len(await school.proctor.api.ok("GET", beats))
    await asyncio.sleep(10 * INTERVAL_MS / 1000)
    assert len(await school.proctor.api.ok("GET", beats)) - before >= 8
    await tab.show()
    shown = await console.activity("tab_change")
    assert shown["data"]["hidden"] is False
    assert 3000 < shown["data"]["durationMs"] < 30_000
    seen = await school.proctor.api.ok("GET", f"/routes/proctoring/{session}/activity")
    assert {one["type"] for one in seen} & {"heartbeat_missing"} == set()


async def test_a_student_cut_off_while_changing_tabs_loses_none_and_none_comes_twice(
    visitor: Visitor, network: Network, school: Organisation
) -> None:
    tab = await visitor.visit()
    await started(tab)
    session = await tab.run("proctoring.session.id")
    other = await visitor.tabs.open("about:blank")
    await tab.show()
    await tab.until("!document.hidden && window.pending === 0")
    before = len(await changes_of_tabs(school, session))
    network.cut()
    for number in range(1, 21):
        await other.show()
        await tab.until("document.hidden")
        await tab.show()
        await tab.until(f"!document.hidden && window.pending >= {2 * number}")
    assert len(await changes_of_tabs(school, session)) == before
    network.mend()
    await tab.until("window.pending === 0")
    changes = (await changes_of_tabs(school, session))[before:]
    assert [one["data"]["hidden"] for one in changes] == [True, False] * 20
    seqs = [one["seq"] for one in changes]
    assert seqs == list(range(seqs[0], seqs[0] + 40))
    times = [one["occurredAt"] for one in changes]
    assert times == sorted(times)
    assert times[-1] < changes[0]["receivedAt"]


async def test_what_was_kept_outlives_a_reload(visitor: Visitor, network: Network, school: Organisation) -> None:
    tab = await visitor.visit()
    await started(tab)
    session = await tab.run("proctoring.session.id")
    await tab.until("window.pending === 0 || window.pending === undefined")
    network.cut()
    await tab.run("(async () => { for (let n = 0; n < 10; n += 1) await proctoring.chat(`Message ${n}`); })()")
    network.mend()  # what was open is dead, so nothing of it has arrived
    network.cut()
    reloading = asyncio.create_task(tab.reload())
    await asyncio.sleep(0.5)
    network.mend()  # the page's script comes from the server too
    await reloading
    await started(tab)
    await tab.until("window.pending === 0")
    log = await school.proctor.api.ok("GET", f"/routes/proctoring/{session}/activity?limit=500")
    assert [one["data"]["text"] for one in log if one["type"] == "chat"] == [f"Message {n}" for n in range(10)]
    assert [one["type"] for one in log].count("page_reload") == 1
    assert len({one["clientId"] for one in log if one["seq"]}) == 1


async def test_what_happens_in_the_instant_of_a_reload_is_not_lost(visitor: Visitor, school: Organisation) -> None:
    tab = await visitor.visit()
    await started(tab)
    session = await tab.run("proctoring.session.id")
    for number in range(10):
        await tab.reload(f"void proctoring.chat('Message {number}')")
        await started(tab)
    await tab.until("window.pending === 0")
    log = await school.proctor.api.ok("GET", f"/routes/proctoring/{session}/activity?limit=500&type=chat")
    assert [one["data"]["text"] for one in log] == [f"Message {number}" for number in range(10)]


async def test_a_second_tab_of_the_same_browser_takes_over(visitor: Visitor, console: Socket) -> None:
    first = await visitor.visit()
    await started(first)
    second = await visitor.visit()
    await started(second)
    await first.until("proctoring.connection === 'replaced'")
    await asyncio.sleep(1)
    assert await second.run("proctoring.connection") == "online"
    assert await first.run("proctoring.connection") == "replaced"


async def test_the_lines_of_the_readme_show_the_clock_and_what_a_proctor_says(
    visitor: Visitor, console: Socket, school: Organisation
) -> None:
    tab = await visitor.visit()
    await started(tab)
    await tab.until("document.querySelector('#clock').textContent === '60 min left'")
    await tab.until("document.body.dataset.connection === 'online'")
    wish = {"requestId": uuid(), "examId": school.exam_id, "action": "warn", "text": "Eyes on your own screen"}
    await console.ok("command", wish)
    await tab.until("window.alerted === 'Eyes on your own screen'")


async def test_what_is_switched_off_is_not_observed(visitor: Visitor, console: Socket, school: Organisation) -> None:
    tab = await visitor.visit("observe: { visibility: false, focus: false }")
    await started(tab)
    session = await tab.run("proctoring.session.id")
    await visitor.tabs.open("about:blank")
    await tab.until("document.hidden")
    await tab.run("proctoring.chat('Here')")
    await console.activity("chat")
    assert await changes_of_tabs(school, session) == []


async def test_a_refused_token_is_told(visitor: Visitor, school: Organisation) -> None:
    await school.student.api.ok("POST", "/routes/auth/logout")
    tab = await visitor.visit()
    await tab.until("window.started")
    assert await tab.run("started") == "unauthorized"
    assert await tab.run("proctoring.connection") == "refused"
