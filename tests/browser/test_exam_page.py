"""A student's way through an exam: what is agreed to, what is observed then, and what the proctors do meanwhile."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from server.app import Running
from tests.browser.conftest import Open, answer, axe, begin, give, say, screenshot, sign_in
from tests.clients import Socket, uuid
from tests.conftest import Connect, Organisation
from tests.test_supervision import log_of


async def types_of(school: Organisation) -> list[str]:
    return [one["type"] for one in await log_of(school.proctor.api, school.exam_id)]


async def session_of(school: Organisation, user_id: str) -> dict[str, Any]:
    sessions = await school.proctor.api.ok("GET", f"/routes/proctoring?examId={school.exam_id}")
    (session,) = [one for one in sessions if one["userId"] == user_id]
    got: dict[str, Any] = session
    return got


async def hide(page: Page, hidden: bool) -> None:
    """As when another tab is shown, which Playwright keeps from happening."""
    await page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_told_to_anybody_before_the_student_has_agreed_and_started(
    school: Organisation, server: Running, contexts: Any, console: Socket, scheme: str
) -> None:
    page = await (await contexts(color_scheme=scheme)).new_page()
    await page.goto(server.url + "/exam")
    assert await axe(page) == []
    await sign_in(page, server.url, "/exam", school.student)
    await expect(page.get_by_role("heading", name="Choose your exam")).to_be_focused()
    assert await axe(page) == []
    await page.get_by_role("button", name="Choose History").click()
    await expect(page.get_by_role("heading", name="Before you start: History")).to_be_focused()
    await expect(page.get_by_text("No camera and no microphone")).to_be_visible()
    assert await axe(page) == []
    await page.get_by_role("button", name="Start").click()
    await page.keyboard.press("Control+p")
    await console.silence("activity")
    assert await types_of(school) == []
    await page.get_by_label("I understand").check()
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("timer", name="Time left")).to_contain_text(re.compile(r"1:00:00|59:[45]\d"))
    await expect(page.get_by_role("heading", name="History")).to_be_focused()
    assert await axe(page) == []
    started = await console.activity("session_started")
    assert (started["userId"], started["data"]["status"]) == (school.student.id, "ACTIVE")
    assert await types_of(school) == ["session_started", "connected"]


async def test_a_student_who_has_no_account_makes_one_by_the_link(
    school: Organisation, server: Running, contexts: Any
) -> None:
    page = await (await contexts()).new_page()
    await page.goto(f"{server.url}/exam?organisation={school.id}")
    await page.get_by_role("button", name="Create an account").click()
    await expect(page.get_by_label("Code of your organisation")).to_have_count(0)
    for label, text in (("Name", "Nova New"), ("E-mail", "nova@example.com"), ("Password", "a password")):
        await page.get_by_label(label).fill(text)
    assert await axe(page) == []
    await page.get_by_role("button", name="Create the account").click()
    await expect(page.get_by_text("You are not assigned to an exam")).to_contain_text("nova@example.com")
    assert await axe(page) == []
    (made,) = [one for one in await school.admin.api.ok("GET", "/routes/users") if one["name"] == "Nova New"]
    assert (made["role"], made["organisationId"]) == ("STUDENT", school.id)
    await school.admin.api.ok("POST", f"/routes/exams/{school.exam_id}/users", {"add": [made["id"]]})
    await page.get_by_role("button", name="Look again").click()
    await begin(page)
    assert (await session_of(school, made["id"]))["status"] == "ACTIVE"


async def test_who_is_no_student_or_forgot_the_password_is_told_where_to_go(
    school: Organisation, server: Running, contexts: Any
) -> None:
    page = await (await contexts()).new_page()
    await sign_in(page, server.url, "/exam", school.proctor)
    await expect(page.get_by_role("heading", name="This page is for students")).to_be_focused()
    await expect(page.get_by_role("main")).to_contain_text("The account of proctor is a proctor")
    assert await page.get_by_role("link", name="console").get_attribute("href") == "/console"
    assert await axe(page) == []
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_text("I forgot my password").click()
    await expect(page.get_by_text("Ask the proctor in the room.")).to_be_visible()
    assert await axe(page) == []
    assert await types_of(school) == []


async def test_what_is_done_on_the_page_is_seen_at_once_and_what_is_copied_stays_there(
    school: Organisation, open_exam: Open, console: Socket
) -> None:
    page = await open_exam(school.student)
    field = page.get_by_label("Why do leaves change")
    await field.fill("The green goes. ")
    for keys in ("Control+a", "Control+c", "End", "Control+v"):
        await field.press(keys)
    await expect(field).to_have_value("The green goes. The green goes. ")
    await page.get_by_text("In autumn a tree takes").click(button="right")
    await page.keyboard.press("Control+p")
    await hide(page, True)
    await hide(page, False)
    wanted = [("copy", {}), ("paste", {}), ("right_click", {}), ("blocked_shortcut", {"key": "Ctrl+P"})]
    wanted += [("tab_change", {"hidden": True}), ("tab_change", {"hidden": False})]
    for seq, (kind, data) in enumerate(wanted, 1):
        seen = await console.activity(kind)
        assert (seen["seq"], seen["source"]) == (seq, "client")
        assert {name: value for name, value in seen["data"].items() if name != "durationMs"} == data
    own = [one for one in await log_of(school.proctor.api, school.exam_id) if one["seq"]]
    assert [one["type"] for one in own] == [kind for kind, _ in wanted]


async def test_a_proctor_warns_pauses_and_ends_and_the_student_reads_why(
    school: Organisation, open_exam: Open, console: Socket
) -> None:
    page = await open_exam(school.student, viewport={"width": 1280, "height": 800})
    await give(console, school.exam_id, "warn", text="Eyes on your own <screen>")
    warning = page.get_by_role("alertdialog", name="A proctor warns you")
    await expect(warning).to_contain_text("Eyes on your own <screen>")
    assert await axe(page) == []
    await warning.get_by_role("button", name="I have read this").click()
    await expect(warning).to_be_hidden()

    await give(console, school.exam_id, "pause", reason="A fire drill")
    pause = page.get_by_role("alertdialog", name="The exam is paused")
    await expect(pause).to_contain_text("Reason: A fire drill")
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme)
        assert await axe(page) == []
    await screenshot(page, "exam")
    for _ in range(3):
        await page.keyboard.press("Escape")
    await expect(pause).to_be_visible()
    stands = await page.get_by_role("timer", include_hidden=True).inner_text()
    assert stands.startswith("Time left, standing still")
    await page.reload()
    await expect(pause).to_contain_text("Reason: A fire drill")
    await expect(page.get_by_role("timer", include_hidden=True)).to_have_text(re.compile("standing still"))
    await say(page, "It is loud here")
    assert (await console.activity("chat"))["data"]["text"] == "It is loud here"

    await give(console, school.exam_id, "resume")
    await expect(pause).to_be_hidden()
    await expect(page.get_by_text("The exam goes on. The time of the pause is given back to you.")).to_be_visible()
    await give(console, school.exam_id, "extend", minutes=10, reason="The drill")
    await expect(page.get_by_text("You have 10 more minutes. Reason: The drill")).to_be_visible()
    await expect(page.get_by_role("timer", name="Time left")).to_contain_text(re.compile(r"1:(10:00|09:[345]\d)"))
    assert await axe(page) == []

    await give(console, school.exam_id, "terminate", reason="Two phones")
    ended = page.get_by_role("alertdialog", name="The exam was ended for you")
    await expect(ended).to_contain_text("Reason: Two phones")
    assert await axe(page) == []
    await ended.get_by_role("button", name="I have read this").click()
    await expect(page.get_by_role("heading", name="The exam was ended for you")).to_be_focused()
    await expect(page.get_by_role("main")).to_contain_text("Reason: Two phones")
    await expect(page.get_by_text("Everything has been sent. Nothing is observed any more")).to_be_visible()
    assert await axe(page) == []
    seen = " ".join(one for one in await types_of(school) if one not in ("connected", "disconnected"))
    assert seen == "session_started warned paused page_reload chat resumed time_added session_ended"


async def test_one_is_not_let_in_and_the_next_is(school: Organisation, open_exam: Open, console: Socket) -> None:
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", {"policy": {"admission": "proctor"}})
    page = await open_exam(school.student)
    await expect(page.get_by_role("heading", name="A proctor will let you in")).to_be_visible()
    await expect(page.get_by_role("timer", name="Your time, once let in")).to_contain_text("1:00:00")
    assert await axe(page) == []
    await give(console, school.exam_id, "deny", reason="No card")
    await expect(page.get_by_role("alertdialog", name="You were not let in")).to_contain_text("Reason: No card")
    await page.get_by_role("button", name="I have read this").click()
    await expect(page.get_by_role("heading", name="You were not let in")).to_be_focused()
    assert await axe(page) == []
    assert (await session_of(school, school.student.id))["status"] == "DENIED"

    page = await open_exam(school.other_student)
    await expect(page.get_by_role("heading", name="Demonstration")).to_have_count(0)
    await give(console, school.exam_id, "admit")
    await expect(page.get_by_text("A proctor has let you in. Your time is running.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Demonstration")).to_be_visible()
    assert (await console.activity("admitted"))["source"] == "proctor"
    assert (await session_of(school, school.other_student.id))["status"] == "ACTIVE"


async def test_who_handed_in_by_mistake_is_let_back_in(
    school: Organisation, open_exam: Open, console: Socket, connect: Connect
) -> None:
    page = await open_exam(school.student)
    await page.get_by_role("button", name="Hand in").click()
    assert await axe(page) == []
    await page.get_by_role("dialog").get_by_role("button", name="Hand in").click()
    await expect(page.get_by_role("heading", name="Handed in")).to_be_focused()
    assert await axe(page) == []
    assert (await console.activity("session_ended"))["data"]["status"] == "SUBMITTED"
    await page.keyboard.press("Control+p")  # is observed no more
    admin = await connect("/proctor", school.admin.token)
    await admin.ok("join", {"examId": school.exam_id})
    await give(admin, school.exam_id, "reinstate", reason="By mistake")
    await expect(page.get_by_role("alertdialog", name="The exam is paused")).to_contain_text("Reason: By mistake")
    await give(console, school.exam_id, "resume")
    await expect(page.get_by_text("You have been let back into the exam. Reason: By mistake")).to_be_visible()
    await page.get_by_text("In autumn a tree takes").click(button="right")
    assert (await console.activity("right_click"))["seq"] == 1


async def test_student_and_proctor_write_to_each_other_and_the_hand_is_lowered_by_either(
    school: Organisation, open_exam: Open, console: Socket
) -> None:
    page = await open_exam(school.student)
    messages = page.get_by_role("log", name="Messages")
    await say(page, "May I use a <calculator>?")
    asked = await console.activity("chat")
    assert asked["data"] == {"text": "May I use a <calculator>?", "to": "proctors"}
    await console.ok("chat", {"requestId": uuid(), "examId": school.exam_id, "text": "Ten minutes left"})
    await answer(console, asked, "Yes.")
    await expect(messages.locator("p > span")).to_have_text(["May I use a <calculator>?", "Ten minutes left", "Yes."])
    await expect(messages.locator("strong")).to_have_text(["You", "proctor", "proctor"])
    await page.reload()
    await expect(messages.locator("p > span")).to_have_text(["May I use a <calculator>?", "Ten minutes left", "Yes."])

    await page.get_by_role("button", name="Raise hand").click()
    await console.activity("hand_raised")
    await expect(page.get_by_text("Your hand is up")).to_be_visible()
    assert await axe(page) == []
    await console.ok("lower_hand", {"requestId": uuid(), "sessionId": asked["sessionId"]})
    assert (await console.activity("hand_lowered"))["source"] == "proctor"
    await page.get_by_role("button", name="Raise hand").click()
    await console.activity("hand_raised")
    await page.get_by_role("button", name="Lower hand").click()
    assert (await console.activity("hand_lowered"))["source"] == "client"
    await expect(page.get_by_text("Your hand is up")).to_be_hidden()
    assert (await session_of(school, school.student.id))["hand"] is None
