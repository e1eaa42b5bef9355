"""A proctor's console: who needs help, what can be done about it, and whether what it shows is all there is."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from server.app import Running
from server.settings import Settings
from tests.browser.conftest import Open, axe
from tests.browser.network import network_to
from tests.clients import Socket, uuid
from tests.conftest import Connect, Organisation, Person


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"heartbeat_interval_ms": 60_000})


async def student_of(connect: Connect, person: Person, exam_id: str) -> Socket:
    socket = await connect("/exam", person.token, uuid())
    await socket.ok("start", {"examId": exam_id})
    return socket


async def names(page: Page) -> list[str]:
    return await page.locator(".grid button.name").all_inner_texts()


async def test_who_needs_help_comes_first_and_is_found_by_keyboard(
    school: Organisation, open_console: Open, connect: Connect
) -> None:
    await student_of(connect, school.other_student, school.exam_id)
    student = await student_of(connect, school.student, school.exam_id)
    page = await open_console(school.proctor, school.exam_id)
    await expect(page.get_by_role("heading", name="Nobody needs you now")).to_be_visible()
    assert await names(page) == ["other", "student"]
    await student.ok("tab_change", {"seq": 1, "hidden": True})
    await student.ok("raise_hand", {"seq": 2, "text": "My screen is black"})
    await expect(page.get_by_role("heading", name="1 needs you now")).to_be_visible()
    await expect(
        page.get_by_role("button", name=re.compile("student.*Hand raised.*My screen is black"))
    ).to_be_visible()
    assert await names(page) == ["student", "other"]
    assert (await page.title()).startswith("(1) ")
    row = page.get_by_role("row", name=re.compile("^student"))
    await expect(row).to_contain_text("1 medium")
    assert await axe(page) == []

    await page.get_by_role("searchbox").focus()
    for _ in range(5):  # past the filters
        await page.keyboard.press("Tab")
    while await page.evaluate("document.activeElement.closest('.body') === null"):
        await page.keyboard.press("Tab")
    await page.keyboard.press("ArrowDown")
    assert await page.evaluate("document.activeElement.textContent") == "other"
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary").get_by_role("heading", name="other")).to_be_focused()
    assert await axe(page) == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("complementary")).to_be_hidden()
    assert await page.evaluate("document.activeElement.textContent") == "other"


async def test_search_and_filters(school: Organisation, open_console: Open, connect: Connect) -> None:
    student = await student_of(connect, school.student, school.exam_id)
    other = await student_of(connect, school.other_student, school.exam_id)
    await student.ok("tab_change", {"seq": 1, "hidden": True})
    await other.ok("raise_hand", {"seq": 1})
    page = await open_console(school.proctor, school.exam_id)
    for label, choice, found in (
        ("Severity", "medium", ["student"]),
        ("Severity", "critical", []),
        ("Show", "hand", ["other"]),
        ("Contact", "ONLINE", ["other", "student"]),
        ("Contact", "MISSING", []),
        ("Verdict", "UNREVIEWED", ["other", "student"]),
        ("Verdict", "CLEARED", []),
    ):
        await page.get_by_role("region", name="Students").get_by_label(label, exact=True).select_option(choice)
        await expect(page.locator(".grid button.name")).to_have_text(found)
        await page.get_by_role("button", name="Show all").click()
    await page.get_by_role("searchbox").fill("STU")
    await expect(page.locator(".grid button.name")).to_have_text(["student"])
    await expect(page.get_by_text("1 of 2")).to_be_visible()


async def test_a_student_is_written_to_commanded_and_reviewed(
    school: Organisation, open_console: Open, connect: Connect
) -> None:
    student = await student_of(connect, school.student, school.exam_id)
    page = await open_console(school.proctor, school.exam_id)
    await student.ok("chat", {"seq": 1, "text": "May I use a calculator?"})
    await page.get_by_role("button", name=re.compile("student.*Wrote.*calculator")).click()
    pane = page.get_by_role("complementary", name="student")
    await expect(page.get_by_role("heading", name="Nobody needs you now")).to_be_visible()
    await expect(pane.get_by_role("log")).to_contain_text("May I use a calculator?")
    await pane.get_by_label("Message to student").fill("Yes.")
    await page.keyboard.press("Enter")
    assert (await student.next("chat"))["text"] == "Yes."
    await expect(pane.get_by_role("log")).to_contain_text("proctor: Yes.")

    await pane.get_by_role("button", name="Pause").click()
    dialog = page.get_by_role("dialog", name="Pause: student")
    assert await axe(page) == []
    await dialog.get_by_role("button", name="Pause").click()  # the reason is missing
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Reason").fill("A fire drill")
    await dialog.get_by_role("button", name="Pause").click()
    command = await student.next("command")
    assert (command["action"], command["reason"]) == ("pause", "A fire drill")
    await expect(pane.get_by_role("list").filter(has_text="Pause: A fire drill")).to_contain_text("delivered")
    await student.ok("command_ack", {"commandId": command["id"]})
    await expect(pane.get_by_role("list").filter(has_text="Pause: A fire drill")).to_contain_text("seen by the student")
    await expect(page.get_by_role("row", name=re.compile("^student"))).to_contain_text("Paused")

    await pane.get_by_role("button", name="Give time").click()
    await page.get_by_label("Minutes").fill("15")
    await page.get_by_label("Reason").fill("The drill")
    await page.get_by_role("dialog").get_by_role("button", name="Give time").click()
    assert (await student.next("command"))["minutes"] == 15
    await expect(pane.get_by_role("region", name="Time given")).to_contain_text("15 min extra")

    await pane.get_by_text("Review: Not reviewed").click()
    await pane.get_by_label("Suspicious").check()
    await pane.get_by_label("Note").fill("Looked away often")
    await pane.get_by_role("button", name="Save the review").click()
    await expect(page.get_by_role("row", name=re.compile("^student"))).to_contain_text("Suspicious")
    timeline = pane.get_by_role("list", name="Timeline")
    await expect(timeline).to_contain_text("Reviewed: Suspicious by proctor")
    await expect(timeline).to_contain_text("Looked away often")
    assert await axe(page) == []


async def test_everybody_is_told_and_let_in(school: Organisation, open_console: Open, connect: Connect) -> None:
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", {"policy": {"admission": "proctor"}})
    sockets = [await student_of(connect, one, school.exam_id) for one in (school.student, school.other_student)]
    page = await open_console(school.proctor, school.exam_id)
    await page.get_by_role("button", name="Let all 2 in").click()
    await page.get_by_role("dialog").get_by_role("button", name="Let in").click()
    for socket in sockets:
        assert (await socket.next("command"))["action"] == "admit"
    await page.get_by_role("button", name="To everybody").click()
    assert await axe(page) == []
    await page.get_by_label("Message").fill("Ten minutes left")
    await page.get_by_role("button", name="Send to all").click()
    for socket in sockets:
        assert (await socket.next("chat"))["text"] == "Ten minutes left"
    await expect(page.get_by_text("Sent to all.")).to_be_visible()


async def test_a_console_that_is_cut_off_says_so_and_proves_that_it_caught_up(
    school: Organisation, open_console: Open, connect: Connect, server: Running
) -> None:
    student = await student_of(connect, school.student, school.exam_id)
    async with network_to(server.url) as network:
        page = await open_console(school.proctor, school.exam_id, network.url)
        happens = page.get_by_role("region", name="What happens")
        await happens.get_by_label("Show").select_option("all")
        network.cut()
        for seq in range(1, 8):
            await student.ok("tab_change", {"seq": seq, "hidden": seq % 2 == 1})
        await page.evaluate("dispatchEvent(new Event('offline'))")
        await expect(page.get_by_role("alert").filter(has_text="not live")).to_be_visible(timeout=40_000)
        assert await axe(page) == []
        network.mend()
        await expect(page.get_by_role("status").filter(has_text="Caught up")).to_contain_text("7 events")
        await expect(page.get_by_role("row", name=re.compile("^student"))).to_contain_text("4 medium")
        changes = happens.get_by_role("listitem").filter(has_text=re.compile("the tab|another tab"))
        await expect(changes).to_have_count(7)


async def test_a_student_who_forgot_the_password_is_helped_by_the_proctor(
    school: Organisation, open_console: Open
) -> None:
    page = await open_console(school.proctor, school.exam_id)
    await page.locator("summary", has_text="2 not started").click()
    await page.get_by_role("searchbox").fill("student@")
    await page.get_by_role("button", name="New password for student").click()
    await page.get_by_role("dialog").get_by_role("button", name="Make a new password").click()
    password = await page.get_by_role("dialog").locator("code").inner_text()
    assert await axe(page) == []
    credentials = {"email": school.student.email, "password": password}
    assert (await school.student.api.as_(None).ok("POST", "/routes/auth/login", credentials))["user"][
        "role"
    ] == "STUDENT"
    await page.get_by_role("button", name="Done").click()
    await expect(page.get_by_text(password)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_signing_in_and_choosing_an_exam(school: Organisation, open_console: Open, scheme: str) -> None:
    page = await open_console(school.proctor, color_scheme=scheme)
    assert await axe(page) == []
    await page.get_by_role("link", name="History").click()
    await expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert await axe(page) == []
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Proctor console")).to_be_visible()
    assert await axe(page) == []
    assert await page.evaluate("sessionStorage.length") == 0


async def test_who_is_signed_out_elsewhere_is_told(school: Organisation, open_console: Open) -> None:
    page = await open_console(school.proctor, school.exam_id)
    changes = {"password": "another password"}
    await school.admin.api.ok("PUT", f"/routes/users/{school.proctor.id}", changes)
    await expect(page.get_by_role("alert").filter(has_text="not live")).to_contain_text("Sign in again")


async def test_a_student_s_account_is_no_proctor_s(school: Organisation, open_console: Open) -> None:
    page = await open_console(school.student)
    await expect(page.get_by_text("Students take part at /exam")).to_be_visible()
