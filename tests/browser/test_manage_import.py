"""Many accounts from one list: looked at before, answered for line by line, its passwords not lost by leaving."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Dialog, Route, expect

from tests.browser.conftest import Open, axe, axe_in_the_dark, downloaded, said
from tests.conftest import Organisation

LIST = """Role;E-mail;Name;Room
student;ada@example.com;Ada Example;12
;Student@School.example.com;Twice Registered;12
proctor;no address;Bo Example;12
student;ADA@example.com;Ada Again;12
king;carl@example.com;Carl Example;12
;dora@example.com;;12
;+eve@example.com;=HYPERLINK("http://example.com");12
"""


async def test_a_list_is_looked_at_and_imported_line_by_line(school: Organisation, open_manage: Open) -> None:
    page = await open_manage(school.admin, "users/import")
    assert await axe(page) == []
    await page.get_by_label("Or paste the table here").fill("name,mail\nAda,ada@example.com")
    await expect(said(page, "“email” is not among them.")).to_be_visible()
    await page.get_by_label("Or paste the table here").fill(LIST)
    preview = page.get_by_role("region", name="Preview")
    await expect(preview.get_by_role("status")).to_have_text(
        "7 people understood, of which 4 will probably be refused. Left out, as nothing here is called so: Room."
    )
    await expect(preview.get_by_role("listitem")).to_have_text(
        [
            "Line 4, Bo Example: no e-mail address",
            "Line 5, Ada Again: the same address as in line 2",
            "Line 6, Carl Example: no such role: KING",
            "Line 7, dora@example.com: no name",
        ]
    )
    assert await axe(page) == []
    assert await axe_in_the_dark(page) == []
    await preview.get_by_role("button", name="Import 7 people").click()
    await expect(said(page, "The import is done: 2 accounts made, 5 refused.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Import people")).to_be_focused()
    reasons = page.get_by_role("table", name="Refused").get_by_role("row")
    await expect(reasons).to_contain_text(
        [
            "Why",
            "3Twice Registered, Student@School.example.comThis e-mail address is taken.",
            "4Bo Example, no addressThis is not an e-mail address.",
            "5Ada Again, ADA@example.comLine 2 has the same e-mail address.",
            "6Carl Example, carl@example.comThe role must be STUDENT, PROCTOR or ADMIN.",
            "7dora@example.comThe name is missing",
        ]
    )
    assert await axe(page) == []


async def test_nobody_leaves_without_the_passwords_by_mistake(
    school: Organisation, open_manage: Open, tmp_path: Path
) -> None:
    page = await open_manage(school.admin, "users/import")
    await page.get_by_label("Or paste the table here").fill(LIST)
    await page.get_by_role("button", name="Import 7 people").click()
    await expect(page.get_by_text("Download them now")).to_be_visible()
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    await page.close(run_before_unload=True)
    await page.get_by_role("link", name="All users").click()
    assert asked == ["beforeunload"]
    await page.get_by_role("link", name="Show the import").click()
    await page.get_by_role("button", name="Import another list").click()
    dialog = page.get_by_role("alertdialog", name="Give up the passwords?")
    assert await axe(page) == []
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("button", name="Import another list")).to_be_focused()

    rows = await downloaded(page, tmp_path)
    # What a spreadsheet would compute is text there.
    assert [row[:2] for row in rows] == [
        ["name", "e-mail"],
        ["Ada Example", "ada@example.com"],
        ['\'=HYPERLINK("http://example.com")', "'+eve@example.com"],
    ]
    login = {"email": "+eve@example.com", "password": rows[2][2]}
    assert (await school.admin.api.as_(None).ok("POST", "/routes/auth/login", login))["user"]["role"] == "STUDENT"
    await page.get_by_role("button", name="Import another list").click()
    await expect(page.get_by_label("Or paste the table here")).to_be_empty()
    async with page.expect_event("close"):
        await page.close(run_before_unload=True)
    assert asked == ["beforeunload"]


async def test_an_answer_that_was_lost_is_not_passed_over(school: Organisation, open_manage: Open) -> None:
    page = await open_manage(school.admin, "users/import")
    looked = asyncio.Event()

    async def lose(route: Route) -> None:
        await route.fetch()
        await looked.wait()
        await route.abort()

    await page.route("**/routes/users/import", lose, times=1)
    await page.get_by_label("Or paste the table here").fill("email,name\nada@example.com,Ada Example")
    await page.get_by_role("button", name="Import 1 person").click()
    await expect(page.get_by_role("progressbar")).to_be_visible()
    assert await axe(page) == []
    await page.get_by_role("link", name="All users").click()
    await expect(page.get_by_text("An import is under way.")).to_be_visible()
    assert await axe(page) == []
    await page.get_by_role("link", name="Show the import").click()
    looked.set()
    await expect(said(page, "The import is done: 0 accounts made, 1 refused.")).to_be_visible()
    await expect(page.get_by_role("table", name="Refused")).to_contain_text(
        "so it may be the one that was just made: look it up among the users and give it a new password."
    )
    await page.get_by_role("link", name="All users").click()
    await expect(page.get_by_role("button", name="New password for Ada Example")).to_be_visible()
