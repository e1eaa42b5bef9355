"""From the first organisation to a reviewed session, by the pages alone: what each person does, as they do it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from server.app import Running
from tests.browser.conftest import downloaded, said, told
from tests.clients import Api
from tests.conftest import PASSWORD, Person

ME = "/routes/auth/me"
EXAM = "Algebra, first term"
PEOPLE = """name;email
Ada Lovelace;ada@example.com
Émilie du Châtelet;emilie@example.com
=1+1;+formula@example.com
"""


async def sign_in(page: Page, email: str, password: str) -> None:
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def sign_out(page: Page) -> None:
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Proctor console")).to_be_visible()


async def section(page: Page, name: str) -> None:
    await page.get_by_role("navigation", name="Console").get_by_role("link", name=name, exact=True).click()
    await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


async def make_organisation(page: Page) -> str:
    """By sales; the administrator's password."""
    await page.get_by_role("button", name="New organisation").click()
    dialog = page.get_by_role("dialog", name="New organisation")
    await dialog.get_by_label("Name of the organisation").fill("The school")
    await dialog.get_by_label("Students may register themselves").check()
    await dialog.get_by_label("Name of its first administrator").fill("Alan Admin")
    await dialog.get_by_label("E-mail of the administrator").fill("admin@example.com")
    await dialog.get_by_role("button", name="Make the organisation").click()
    password = await told(page, "The school is made")
    await expect(page.get_by_role("row", name=re.compile("^The school Yes 1"))).to_be_visible()
    return password


async def add_proctor(page: Page) -> str:
    await section(page, "Users")
    await page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog", name="New user")
    await dialog.get_by_label("Name").fill("Petra Proctor")
    await dialog.get_by_label("E-mail").fill("proctor@example.com")
    await dialog.get_by_label("Role").select_option("Proctor")
    await dialog.get_by_role("button", name="Make the account").click()
    return await told(page, "Petra Proctor is made")


async def import_students(page: Page, folder: Path) -> dict[str, str]:
    """The passwords that were made, by the address that each has in the file."""
    (folder / "people.csv").write_text(PEOPLE, "utf-8")
    await page.get_by_role("link", name="Import a list of people").click()
    await page.get_by_label("CSV file").set_input_files(folder / "people.csv")
    await expect(said(page, "3 people understood.")).to_be_visible()
    await page.get_by_role("button", name="Import 3 people").click()
    await expect(said(page, "The import is done: 3 accounts made, 0 refused.")).to_be_visible()
    header, *rows = await downloaded(page, folder)
    assert header == ["name", "e-mail", "password"]
    # What a spreadsheet would compute is text in it.
    assert [row[:2] for row in rows] == [
        ["Ada Lovelace", "ada@example.com"],
        ["Émilie du Châtelet", "emilie@example.com"],
        ["'=1+1", "'+formula@example.com"],
    ]
    await expect(page.get_by_text("They are downloaded.")).to_be_visible()
    return {email: password for _, email, password in rows}


async def make_exam(page: Page) -> None:
    await section(page, "Manage exams")
    await page.get_by_role("link", name="New exam").click()
    await page.get_by_label("Title").fill(EXAM)
    await page.get_by_label("Duration in minutes").fill("60")
    await page.get_by_role("button", name="Make exam").click()
    await expect(page.get_by_role("heading", name=EXAM)).to_be_visible()
    await page.get_by_role("button", name="Assign all students that match (4)").click()
    await page.get_by_label("Petra Proctor proctor@example.com").check()
    await page.get_by_role("button", name="Save who is assigned").click()
    await expect(said(page, "5 people assigned, 0 removed.")).to_be_visible()


async def register(page: Page, link: str) -> None:
    """A student, who was sent the link of the organisation."""
    await page.goto(link)
    await page.get_by_role("button", name="Create an account").click()
    await page.get_by_label("Name").fill("Rosa Register")
    await page.get_by_label("E-mail").fill("rosa@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create the account").click()
    await expect(page.get_by_text("You are not assigned to an exam.")).to_be_visible()


async def begin(page: Page) -> None:
    await page.get_by_role("button", name=f"Choose {EXAM}").click()
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("heading", name=f"Before you start: {EXAM}")).to_be_visible()  # without consent
    await page.get_by_label("I understand what is observed").check()
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("heading", name=EXAM)).to_be_visible()
    await expect(page.get_by_text("Connected", exact=True)).to_be_visible()


async def supervise(console: Page, exam: Page) -> None:
    """A proctor warns and pauses the student, and lets her go on."""
    await expect(console.get_by_label("The exam in figures")).to_contain_text("1 writing")
    row = console.get_by_role("row", name=re.compile("^Ada Lovelace"))
    await expect(row).to_contain_text("WritingOnline")
    await console.get_by_role("button", name="Ada Lovelace").first.click()
    pane = console.get_by_role("complementary", name="Ada Lovelace")
    commands = pane.get_by_role("region", name="Commands").get_by_role("listitem")

    await command(pane, "Warn", "Look at your own screen")
    warning = exam.get_by_role("alertdialog", name="A proctor warns you")
    await expect(warning).to_contain_text("Look at your own screen")
    await warning.get_by_role("button", name="I have read this").click()
    await expect(warning).to_be_hidden()
    await expect(commands).to_contain_text(["Warning: Look at your own screen by Petra Proctor, seen by the student"])

    await command(pane, "Pause", "A fire drill")
    pause = exam.get_by_role("alertdialog", name="The exam is paused")
    await expect(pause).to_contain_text("Reason: A fire drill")
    await expect(row).to_contain_text("Paused")
    await command(pane, "Resume")
    await expect(pause).to_be_hidden()
    await expect(said(exam, "The exam goes on.")).to_be_visible()
    await expect(row).to_contain_text("Writing")


async def command(pane: Locator, name: str, words: str | None = None) -> None:
    await pane.get_by_role("button", name=name, exact=True).click()
    dialog = pane.page.get_by_role("dialog", name=f"{name}: Ada Lovelace")
    if words:
        await dialog.get_by_role("textbox").fill(words)
    await dialog.get_by_role("button", name=name, exact=True).click()
    await expect(dialog).to_be_hidden()


async def hand_in(page: Page) -> None:
    await page.get_by_role("button", name="Hand in").click()
    await page.get_by_role("dialog", name="Hand in the exam?").get_by_role("button", name="Hand in").click()
    await expect(page.get_by_role("heading", name="Handed in")).to_be_focused()
    await expect(page.get_by_text("Everything has been sent.")).to_be_visible()


async def review(console: Page) -> None:
    pane = console.get_by_role("complementary", name="Ada Lovelace")
    await expect(pane.get_by_text("Handed in · Closed")).to_be_visible()
    await pane.get_by_text("Review: Not reviewed").click()
    await pane.get_by_label("Cleared").check()
    await pane.get_by_label("Note").fill("Only the drill")
    await pane.get_by_role("button", name="Save the review").click()
    await expect(pane.get_by_text("Review: Cleared")).to_be_visible()
    await expect(console.get_by_role("row", name=re.compile("^Ada Lovelace"))).to_contain_text("Cleared")
    await expect(pane.get_by_role("list", name="Timeline")).to_contain_text("Only the drill")


async def test_the_whole_workflow_by_the_pages_alone(
    server: Running, api: Api, sales: Person, contexts: Any, tmp_path: Path
) -> None:
    staff, students = await contexts(viewport={"width": 1440, "height": 900}), await contexts()
    console, another = await staff.new_page(), await students.new_page()
    await console.goto(f"{server.url}/console")
    await sign_in(console, sales.email, PASSWORD)
    admin_password = await make_organisation(console)
    await sign_out(console)

    await sign_in(console, "admin@example.com", admin_password)
    proctor_password = await add_proctor(console)
    passwords = await import_students(console, tmp_path)
    await section(console, "Organisation")
    await register(another, await console.get_by_label("Link for students").input_value())
    await make_exam(console)
    await sign_out(console)
    await another.get_by_role("button", name="Look again").click()
    await expect(another.get_by_role("heading", name=EXAM)).to_be_visible()

    exam = await students.new_page()
    await exam.goto(f"{server.url}/exam")
    await sign_in(exam, "ada@example.com", passwords["ada@example.com"])
    await begin(exam)
    await sign_in(console, "proctor@example.com", proctor_password)
    await console.get_by_role("link", name=EXAM).click()
    await supervise(console, exam)
    await hand_in(exam)
    await review(console)

    login = {"email": "proctor@example.com", "password": proctor_password}
    proctor = api.as_((await api.ok("POST", "/routes/auth/login", login))["token"])
    (session,) = await proctor.ok("GET", "/routes/proctoring")
    assert (session["status"], session["verdict"]) == ("SUBMITTED", "CLEARED")
    assert session["user"]["name"] == "Ada Lovelace"
    assert [one["kind"] for one in session["timeLedger"]] == ["pause"]
    log = await proctor.ok("GET", f"/routes/exams/{session['examId']}/activity")
    assert [(one["type"], one["source"], one["data"]) for one in log] == [
        ("session_started", "client", {"status": "ACTIVE"}),
        ("connected", "server", {}),
        ("warned", "proctor", {"text": "Look at your own screen"}),
        ("paused", "proctor", {"reason": "A fire drill"}),
        ("resumed", "proctor", {}),
        ("session_ended", "client", {"status": "SUBMITTED"}),
        ("reviewed", "proctor", {"verdict": "CLEARED", "note": "Only the drill"}),
    ]
    assert {one["actorId"] for one in log if one["source"] == "proctor"} == {(await proctor.ok("GET", ME))["id"]}
    commands = await proctor.ok("GET", f"/routes/proctoring/{session['id']}/commands")
    assert [(one["action"], one["fate"]) for one in commands] == [
        (action, "ACKNOWLEDGED") for action in ("warn", "pause", "resume")
    ]
