"""Accounts and organisations in the console: made one by one, with passwords that are shown once."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import expect

from server.app import Running
from tests.browser.conftest import Open, axe, axe_in_the_dark, said, told
from tests.clients import Api
from tests.conftest import PASSWORD, Organisation, Person

LOGIN = "/routes/auth/login"


async def login(api: Api, email: str, password: str) -> Any:
    return await api.as_(None).call("POST", LOGIN, {"email": email, "password": password})


async def test_people_are_found(school: Organisation, open_manage: Open) -> None:
    page = await open_manage(school.admin, "users")
    assert await axe(page) == []
    assert await axe_in_the_dark(page) == []
    rows = page.get_by_role("rowheader")
    await expect(rows).to_have_text(["admin (you)", "other", "proctor", "student"])
    await page.get_by_label("Search by name or e-mail").fill("SCHOOL stu")
    await expect(rows).to_have_text(["student"])
    await expect(said(page, "1 account of 4")).to_be_visible()
    await page.get_by_label("Role").select_option("Proctors")
    await expect(page.get_by_text("Nobody matches.")).to_be_visible()
    await page.get_by_label("Search by name or e-mail").fill("")
    await expect(rows).to_have_text(["proctor"])


async def test_an_account_is_made_changed_and_deleted(school: Organisation, open_manage: Open) -> None:
    api = school.admin.api
    page = await open_manage(school.admin, "users")
    await page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog", name="New user")
    assert await axe(page) == []
    await dialog.get_by_label("Name").fill("Nora New")
    await dialog.get_by_label("E-mail").fill("STUDENT@school.example.com")
    await dialog.get_by_label("Role").select_option("Proctor")
    await dialog.get_by_role("button", name="Make the account").click()
    await expect(dialog.get_by_role("alert")).to_have_text("This e-mail address is taken.")
    await dialog.get_by_label("E-mail").fill("nora@example.com")
    await dialog.get_by_role("button", name="Make the account").click()
    password = await told(page, "Nora New is made")
    await expect(page.get_by_role("button", name="New user")).to_be_focused()
    signed_in = (await login(api, "nora@example.com", password)).body
    assert (signed_in["user"]["name"], signed_in["user"]["role"]) == ("Nora New", "PROCTOR")

    await page.get_by_role("button", name="Edit Nora New").click()
    dialog = page.get_by_role("dialog", name="Edit Nora New")
    assert await axe(page) == []
    await dialog.get_by_label("Name").fill("Zoe New")
    await dialog.get_by_label("E-mail").fill("zoe@example.com")
    await dialog.get_by_label("Role").select_option("Administrator")
    await dialog.get_by_role("button", name="Save").click()
    await expect(said(page, "Zoe New is saved.")).to_be_visible()
    await expect(page.get_by_role("button", name="Edit Zoe New")).to_be_focused()
    await expect(page.get_by_role("row", name=re.compile("^Zoe New zoe@example.com Administrator"))).to_be_visible()
    assert await api.as_(signed_in["token"]).code("GET", "/routes/auth/me") == "unauthorized"
    assert (await login(api, "zoe@example.com", password)).body["user"]["role"] == "ADMIN"

    await page.get_by_role("button", name="New password for Zoe New").click()
    assert await axe(page) == []
    await page.get_by_role("button", name="Give a new password").click()
    another = await told(page, "New password for Zoe New")
    await expect(page.get_by_role("button", name="New password for Zoe New")).to_be_focused()
    assert (await login(api, "zoe@example.com", password)).code == "unauthorized"
    assert (await login(api, "zoe@example.com", another)).status == 200

    await page.get_by_role("button", name="Delete Zoe New").click()
    dialog = page.get_by_role("alertdialog", name="Delete Zoe New?")
    assert await axe(page) == []
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Users")).to_be_focused()
    await expect(said(page, "Zoe New is deleted.")).to_be_visible()
    assert await api.code("GET", f"/routes/users/{signed_in['user']['id']}") == "not_found"


async def test_who_matches_no_more_after_a_change_leaves_the_focus_somewhere(
    school: Organisation, open_manage: Open
) -> None:
    page = await open_manage(school.admin, "users")
    await page.get_by_label("Search by name or e-mail").fill("student@")
    await page.get_by_role("button", name="Edit student").click()
    await page.get_by_role("dialog").get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Nobody matches.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Users")).to_be_focused()


async def test_who_took_part_in_an_exam_stays(school: Organisation, open_manage: Open) -> None:
    await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    page = await open_manage(school.admin, "users")
    await page.get_by_role("button", name="Delete student").click()
    dialog = page.get_by_role("alertdialog", name="Delete student?")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("The user has proctoring sessions. To lock somebody out")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("button", name="Delete student")).to_be_focused()
    await expect(page.get_by_role("rowheader", name="student")).to_be_visible()


async def test_one_s_own_password(school: Organisation, open_manage: Open) -> None:
    page = await open_manage(school.admin, "users")
    await page.get_by_role("button", name="Change my password").click()
    dialog = page.get_by_role("dialog", name="Change my password")
    assert await axe(page) == []
    for current, new, again, problem in (
        (PASSWORD, "correct horse", "correct house", "The two new passwords are not the same."),
        ("not this one", "correct horse", "correct horse", "The current password is missing or wrong."),
    ):
        await dialog.get_by_label("Current password").fill(current)
        await dialog.get_by_label("New password", exact=True).fill(new)
        await dialog.get_by_label("New password again").fill(again)
        await dialog.get_by_role("button", name="Change my password").click()
        await expect(dialog.get_by_role("alert")).to_have_text(problem)
    await dialog.get_by_label("Current password").fill(PASSWORD)
    await dialog.get_by_role("button", name="Change my password").click()
    await expect(page.get_by_role("alertdialog", name="Your password is changed")).to_be_visible()
    assert await axe(page) == []
    await page.get_by_role("button", name="Sign in again").click()
    await expect(page.get_by_role("heading", name="Proctor console")).to_be_visible()
    await page.get_by_label("E-mail").fill(school.admin.email)
    await page.get_by_label("Password").fill("correct horse")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Users")).to_be_visible()
    assert (await login(school.admin.api, school.admin.email, PASSWORD)).code == "unauthorized"


async def test_an_organisation_is_kept_by_its_administrator(
    school: Organisation, open_manage: Open, api: Api, server: Running
) -> None:
    page = await open_manage(school.admin, "organisation", permissions=["clipboard-read", "clipboard-write"])
    assert await axe(page) == []
    link = f"{server.url}/exam?organisation={school.id}"
    await expect(page.get_by_label("Link for students")).to_have_value(link)
    await page.get_by_role("button", name="Copy link").click()
    await expect(said(page, "Copied.")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == link
    await page.get_by_label("Name").fill("  ")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_have_text("The name is missing.")
    await page.get_by_label("Name").fill("The old school")
    await page.get_by_label("Students may register themselves").uncheck()
    await page.get_by_role("button", name="Save").click()
    await expect(said(page, "The old school is saved.")).to_be_visible()
    await expect(page.get_by_text("Students cannot register themselves.")).to_be_visible()
    user = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD, "organisationId": school.id}
    assert await api.code("POST", "/routes/users", user) == "forbidden"


async def test_organisations_are_kept_by_sales(school: Organisation, sales: Person, open_manage: Open) -> None:
    await sales.api.ok("POST", "/routes/organisations", {"name": "An empty one"})
    page = await open_manage(sales, "organisations")
    assert await axe(page) == []
    await expect(page.get_by_role("rowheader")).to_have_text(["An empty one", "school"])
    await page.get_by_role("button", name="Rename An empty one").click()
    assert await axe(page) == []
    await page.get_by_role("dialog").get_by_label("Name").fill("Zero people")
    await page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    await expect(page.get_by_role("button", name="Rename Zero people")).to_be_focused()
    await expect(page.get_by_role("rowheader")).to_have_text(["school", "Zero people"])
    await page.get_by_label("Search by name").fill("ZERO")
    await expect(page.get_by_role("rowheader")).to_have_text(["Zero people"])
    await page.get_by_role("button", name="Delete Zero people").click()
    assert await axe(page) == []
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Organisations")).to_be_focused()
    await page.get_by_label("Search by name").fill("")
    await page.get_by_role("button", name="Delete school").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("alert")).to_contain_text("As its last administrator cannot be deleted")
    await page.keyboard.press("Escape")
    await page.get_by_role("main").get_by_role("link", name="Administrators").click()
    await expect(page.get_by_role("heading", name="Administrators")).to_be_focused()
    await expect(page.get_by_role("rowheader")).to_have_text(["admin", "Sam Sales (you)"])
    assert await axe(page) == []
    await page.get_by_role("button", name="New administrator").click()
    assert await axe(page) == []
    await page.get_by_role("dialog").get_by_label("Name").fill("Second Admin")
    await page.get_by_role("dialog").get_by_label("E-mail").fill("second@example.com")
    await page.get_by_role("dialog").get_by_role("button", name="Make the account").click()
    password = await told(page, "Second Admin is made")
    assert (await login(sales.api, "second@example.com", password)).body["user"]["organisationId"] == school.id
    assert [one["id"] for one in await sales.api.ok("GET", "/routes/organisations")] == [school.id]


async def test_an_organisation_is_made_with_its_administrator(
    school: Organisation, sales: Person, open_manage: Open
) -> None:
    page = await open_manage(sales, "organisations")
    await page.get_by_role("button", name="New organisation").click()
    dialog = page.get_by_role("dialog", name="New organisation")
    assert await axe(page) == []
    await dialog.get_by_label("Name of the organisation").fill("A college")
    await dialog.get_by_label("Name of its first administrator").fill("Ada Admin")
    await dialog.get_by_label("E-mail of the administrator").fill(school.admin.email)
    await dialog.get_by_role("button", name="Make the organisation").click()
    await expect(dialog.get_by_role("alert")).to_have_text(
        "A college is made, but it has no administrator yet: This e-mail address is taken."
    )
    await expect(page.get_by_role("row", name="A college No 0", include_hidden=True)).to_have_count(1)
    assert await axe(page) == []
    await dialog.get_by_label("E-mail of the administrator").fill("ada@example.com")
    await dialog.get_by_role("button", name="Make the administrator").click()
    password = await told(page, "A college is made")
    await expect(page.get_by_role("button", name="New organisation")).to_be_focused()
    await expect(page.get_by_role("row", name="A college No 1")).to_be_visible()
    made = [one["name"] for one in await sales.api.ok("GET", "/routes/organisations")]
    assert sorted(made) == ["A college", "school"]
    assert (await login(sales.api, "ada@example.com", password)).body["user"]["role"] == "ADMIN"
