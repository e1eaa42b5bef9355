"""The student's page when things go wrong: it says so, loses nothing, repeats nothing, and goes on by itself."""

from __future__ import annotations

import asyncio
import re
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Page, expect

from models.fields import format_instant, now
from server.app import Running
from server.settings import Settings
from tests.browser.conftest import Open, answer, axe, begin, give, say, sign_in
from tests.browser.network import network_to
from tests.clients import Socket
from tests.conftest import Organisation
from tests.processes import serving
from tests.test_supervision import SETTINGS, log_of, make_school

INTERVAL_MS = 1000
HOUR_MS = 3_600_000
SOON = timedelta(seconds=5)
EXACT = timedelta(seconds=2)

# The device's clock is wrong by an hour; it goes on, as do timers.
AN_HOUR_OFF = """
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(Real.now() + SHIFT); }
    static now() { return Real.now() + SHIFT; }
  };
"""
WHEN_IT_CHANGES = """(shown) => new Promise((done) => {
  const look = new MutationObserver(() => done(shown.textContent));
  look.observe(shown, { characterData: true, childList: true, subtree: true });
})"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"heartbeat_interval_ms": INTERVAL_MS})


async def reports_of(school: Organisation) -> list[dict[str, Any]]:
    """What the page reported, each once and in order."""
    found = [one for one in await log_of(school.proctor.api, school.exam_id) if one["seq"]]
    assert [one["seq"] for one in found] == list(range(1, len(found) + 1))
    assert len({one["clientId"] for one in found}) <= 1
    times = [one["occurredAt"] for one in found if one["occurredAt"]]
    assert times == sorted(times)
    return found


async def look_at_the_menu(page: Page) -> None:
    await page.get_by_text("In autumn a tree takes").click(button="right")


async def connected(page: Page) -> None:
    await expect(page.locator("header").get_by_text("Connected", exact=True)).to_be_visible()
    await expect(page.get_by_text(re.compile("reports? waiting"))).to_be_hidden()


async def test_a_page_without_a_network_says_so_and_brings_what_was_done_meanwhile(
    school: Organisation, server: Running, open_exam: Open, console: Socket
) -> None:
    async with network_to(server.url) as network:
        page = await open_exam(school.student, network.url)
        await say(page, "Before")
        before = await console.activity("chat")
        network.cut()
        await page.context.set_offline(True)
        lost = page.get_by_text("Connection lost: keep working, everything is kept and will be sent.")
        await expect(lost).to_be_visible()
        await say(page, "Can you hear me?")
        await page.get_by_role("button", name="Raise hand").click()
        await expect(page.get_by_text("The proctors see this as soon as the connection is back.")).to_be_visible()
        await look_at_the_menu(page)
        await expect(page.get_by_text(re.compile("[45] reports waiting"))).to_be_visible()  # "Before" may be one
        assert await axe(page) == []
        await answer(console, before, "Yes?")
        assert [one["data"].get("text") for one in await reports_of(school)] == ["Before"]
        network.mend()
        await page.context.set_offline(False)
        await connected(page)
        await expect(lost).to_be_hidden()
        await expect(page.get_by_text("Your hand is up")).to_be_visible()
        said = page.get_by_role("log", name="Messages").locator("p > span")
        await expect(said).to_have_text(["Before", "Can you hear me?", "Yes?"])
        meanwhile = ["network_lost", "chat", "hand_raised", "right_click", "network_restored"]
        for kind in meanwhile:
            await console.activity(kind)
        assert [one["type"] for one in await reports_of(school)] == ["chat", *meanwhile]


async def test_who_hands_in_without_a_network_has_handed_in_as_soon_as_it_is_back(
    school: Organisation, server: Running, open_exam: Open, console: Socket
) -> None:
    async with network_to(server.url) as network:
        page = await open_exam(school.student, network.url)
        network.cut()  # and nobody is told
        await look_at_the_menu(page)
        await page.get_by_role("button", name="Hand in").click()
        await page.get_by_role("dialog").get_by_role("button", name="Hand in").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Handing in…")
        waits = page.get_by_text("Not handed in yet. It will be as soon as the connection is back")
        await expect(waits).to_be_visible(timeout=25_000)
        await expect(page.get_by_text("Connection lost")).to_be_visible()
        assert await axe(page) == []
        await page.get_by_role("button", name="Do not hand in yet").click()
        await expect(waits).to_be_hidden()
        await page.get_by_role("button", name="Hand in").click()
        await page.get_by_role("dialog").get_by_role("button", name="Hand in").click()
        await expect(waits).to_be_visible()
        assert await reports_of(school) == []
        network.mend()
        await expect(page.get_by_role("heading", name="Handed in")).to_be_focused()
        await expect(page.get_by_text("Everything has been sent.")).to_be_visible()
        ended = await console.activity("session_ended")
        assert (ended["source"], ended["data"]["status"]) == ("client", "SUBMITTED")
        (report,) = await reports_of(school)
        assert (report["type"], report["late"]) == ("right_click", False)
        assert report["offset"] < ended["offset"]


async def test_a_reload_goes_straight_back_in_and_is_noted(
    school: Organisation, open_exam: Open, console: Socket
) -> None:
    page = await open_exam(school.student)
    await say(page, "First")
    asked = await console.activity("chat")
    await answer(console, asked, "Second")
    said = page.get_by_role("log", name="Messages").locator("p > span")
    for number in (1, 2):
        await page.reload()
        await connected(page)
        reload = await console.activity("page_reload")
        assert reload["seq"] == asked["seq"] + number
        assert 0 <= reload["data"]["durationMs"] < 10_000
    await expect(said).to_have_text(["First", "Second"])
    await say(page, "Third")
    await expect(said).to_have_text(["First", "Second", "Third"])
    await console.activity("chat")
    assert [one["type"] for one in await reports_of(school)] == ["chat", "page_reload", "page_reload", "chat"]
    assert "second_connection" not in [one["type"] for one in await log_of(school.proctor.api, school.exam_id)]


async def test_a_second_device_takes_over_and_the_first_does_not_fight_back(
    school: Organisation, open_exam: Open, console: Socket
) -> None:
    first = await open_exam(school.student)
    second = await open_exam(school.student, user_agent="Another device")
    elsewhere = first.get_by_role("alertdialog", name="Opened on another device or tab")
    await expect(elsewhere).to_contain_text("this page takes no part in the exam any more")
    assert await axe(first) == []
    seen = await console.activity("second_connection")
    assert (seen["severity"], seen["data"]["userAgent"]) == ("critical", "Another device")
    await first.keyboard.press("Control+p")
    await asyncio.sleep(1)  # longer than it takes to come back
    await connected(second)
    await elsewhere.get_by_role("button", name="Go on here").click()
    await connected(first)
    await expect(second.get_by_role("alertdialog", name="Opened on another device or tab")).to_be_visible()
    kinds = [one["type"] for one in await log_of(school.proctor.api, school.exam_id)]
    assert kinds.count("second_connection") == 2
    assert "blocked_shortcut" not in kinds


async def test_a_page_comes_back_by_itself_after_the_server_was_killed(
    tmp_path: Path, http: aiohttp.ClientSession, contexts: Any
) -> None:
    settings = SETTINGS | {"HEARTBEAT_INTERVAL_MS": INTERVAL_MS}
    async with serving(tmp_path, **settings) as server:
        school = await make_school(http, server)
        page = await (await contexts()).new_page()
        await sign_in(page, server.url, "/exam", school.student)
        await begin(page)
        await say(page, "Before")
        await connected(page)
        port = server.url.rpartition(":")[2]
        await server.end(signal.SIGKILL)
    await expect(page.get_by_text("Connection lost")).to_be_visible()
    await say(page, "Meanwhile")
    await page.get_by_role("button", name="Raise hand").click()
    await look_at_the_menu(page)
    await expect(page.get_by_text(re.compile("[34] reports waiting"))).to_be_visible()
    async with serving(tmp_path, PORT=port, **settings):
        await connected(page)
        reports = await reports_of(school)
        assert [one["type"] for one in reports] == ["chat", "chat", "hand_raised", "right_click"]
        assert [one["data"]["text"] for one in reports[:2]] == ["Before", "Meanwhile"]
        console = await Socket(server.ws_url, "/proctor").connect(school.proctor.token)
        (session,) = (await console.ok("join", {"examId": school.exam_id}))["sessions"]
        assert (session["status"], session["connectivity"], bool(session["hand"])) == ("ACTIVE", "ONLINE", True)
        await give(console, school.exam_id, "warn", text="Welcome back")
        await expect(page.get_by_role("alertdialog")).to_contain_text("Welcome back")
        await console.close()


@pytest.mark.parametrize("shift", [HOUR_MS, -HOUR_MS])
async def test_a_device_whose_clock_is_an_hour_off_shows_and_tells_the_servers_time(
    school: Organisation, server: Running, contexts: Any, console: Socket, shift: int
) -> None:
    begins, ends = (format_instant(now() + timedelta(minutes=minutes)) for minutes in (-20, 30))
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", {"startsAt": begins, "endsAt": ends})
    context = await contexts()
    await context.add_init_script(AN_HOUR_OFF.replace("SHIFT", str(shift)))
    page = await context.new_page()
    await sign_in(page, server.url, "/exam", school.student)
    assert abs(await page.evaluate("Date.now()") - now().timestamp() * 1000 - shift) < 5000
    await begin(page)
    await look_at_the_menu(page)
    seen = [await console.activity("right_click")]
    await page.reload()
    seen.append(await console.activity("page_reload"))
    for one in seen:
        assert abs(datetime.fromisoformat(one["occurredAt"]) - datetime.fromisoformat(one["receivedAt"])) < SOON
    assert seen[1]["data"]["durationMs"] < 10_000
    await connected(page)
    minutes, seconds = map(
        int, (await page.get_by_role("timer").locator("strong").evaluate(WHEN_IT_CHANGES)).split(":")
    )
    assert abs(timedelta(minutes=minutes, seconds=seconds) - (datetime.fromisoformat(ends) - now())) < EXACT
    await say(page, "What time is it?")
    at_ = await page.get_by_role("log").locator("time").get_attribute("datetime")
    assert abs(datetime.fromisoformat(at_ or "") - now()) < SOON


async def test_the_exam_ends_by_itself_when_the_time_is_up(
    school: Organisation, open_exam: Open, console: Socket
) -> None:
    page = await open_exam(school.student)
    ends_at = format_instant(now() + timedelta(seconds=2))
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", {"endsAt": ends_at})
    await expect(page.get_by_role("timer", name="Time left")).to_contain_text(re.compile("0:0[12]"))
    await expect(page.get_by_role("heading", name="Your time is up")).to_be_focused()
    await expect(page.get_by_text("and the exam was closed by itself")).to_be_visible()
    assert await axe(page) == []
    ended = await console.activity("session_ended")
    assert (ended["source"], ended["data"]["status"]) == ("server", "TIMED_OUT")
    assert datetime.fromisoformat(ended["receivedAt"]) - datetime.fromisoformat(ends_at) < EXACT
    await page.get_by_role("button", name="Back to the exams").click()
    await expect(page.get_by_text("Your time for this exam is over.")).to_be_visible()
