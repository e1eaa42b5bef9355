"""Exams in the console: made, changed, deleted, and given to the people who take part in them."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Open, axe, axe_in_the_dark, said
from tests.conftest import PASSWORD, Organisation, make_exam

DEFAULT_POLICY = {"admission": "open", "tabChangeLimit": None, "onTabChangeLimit": "flag", "outageCreditMaxMinutes": 0}


async def exam_of(school: Organisation, exam_id: str) -> Any:
    return await school.admin.api.ok("GET", f"/routes/exams/{exam_id}")


async def shown_exam(school: Organisation, page: Page) -> Any:
    """The exam whose page this is, as the server has it."""
    await expect(page).to_have_url(re.compile("/exams/[0-9a-f]{24}$"))
    return await exam_of(school, page.url.rpartition("/")[2])


async def tab_to(page: Page, wanted: Locator) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"the Tab key does not come to {wanted}")


async def test_an_exam_is_made_and_filled_by_keyboard_alone(school: Organisation, open_manage: Open) -> None:
    page = await open_manage(school.admin, "exams")
    keyboard = page.keyboard

    async def type_in(label: str, text: str) -> None:
        await tab_to(page, page.get_by_label(label))
        await keyboard.press("Control+A")
        await keyboard.type(text)

    await tab_to(page, page.get_by_role("link", name="New exam"))
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="New exam")).to_be_focused()
    await type_in("Title", "Geography")
    await type_in("Duration in minutes", "45")
    await tab_to(page, page.get_by_label("Opens", exact=True))
    await keyboard.type("05052027")  # the month and the day in the browser's own order
    await keyboard.press("ArrowRight")
    await keyboard.type("0930AM")
    await tab_to(page, page.get_by_label("This is a rehearsal"))
    await keyboard.press("Space")
    await tab_to(page, page.get_by_label("When a student opens the exam"))
    await keyboard.press("ArrowDown")
    await tab_to(page, page.get_by_label("No limit to leaving"))
    await keyboard.press("Space")
    await type_in("Times a student may leave", "5")
    await tab_to(page, page.get_by_label("What happens when it is one too many"))
    await keyboard.press("ArrowDown")
    await type_in("Minutes given back after a lost connection, at most", "10")
    await type_in("Give extra time to", "other")
    await keyboard.press("Enter")
    await expect(page.get_by_label("other other@school.example.com")).to_have_value("15")
    assert await axe(page) == []
    assert await axe_in_the_dark(page) == []
    await tab_to(page, page.get_by_role("button", name="Make exam"))
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Geography")).to_be_focused()
    await expect(said(page, "“Geography” is made.")).to_be_visible()
    exam = await shown_exam(school, page)
    assert (exam["title"], exam["duration"], exam["rehearsal"]) == ("Geography", 45, True)
    assert (exam["startsAt"], exam["endsAt"]) == ("2027-05-05T08:30:00.000Z", None)
    policy = {"admission": "proctor", "tabChangeLimit": 5, "onTabChangeLimit": "pause", "outageCreditMaxMinutes": 10}
    assert exam["policy"] == policy
    assert exam["accommodations"] == [{"userId": school.other_student.id, "extraMinutes": 15}]

    await type_in("Search people", "proctor@")
    await tab_to(page, page.get_by_label("proctor proctor@school.example.com"))
    await keyboard.press("Space")
    await expect(said(page, "0 students and 1 proctor are assigned; not saved yet: 1 added")).to_be_visible()
    await type_in("Assign by e-mail address", "<STUDENT@school.example.com>; nobody@example.com")
    await tab_to(page, page.get_by_role("button", name="Assign these addresses"))
    await keyboard.press("Enter")
    await expect(page.get_by_label("Assign by e-mail address")).to_be_focused()
    await expect(said(page, "1 person added")).to_contain_text("1 address has no account here: nobody@example.com")
    assert await axe(page) == []
    await tab_to(page, page.get_by_role("button", name="Save who is assigned"))
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Assigned students and proctors")).to_be_focused()
    await expect(said(page, "2 people assigned, 0 removed.")).to_be_visible()
    assert {*(await shown_exam(school, page))["users"]} == {school.student.id, school.proctor.id}


async def test_its_window_is_in_the_reader_s_time_zone(school: Organisation, open_manage: Open) -> None:
    page = await open_manage(school.admin, "exams/new", timezone_id="America/New_York")
    await page.get_by_label("Title").fill("Algebra")
    await page.get_by_label("Duration in minutes").fill("60")
    await page.get_by_label("Opens", exact=True).fill("2027-03-01T09:00")
    await page.get_by_label("Closes").fill("2027-03-01T09:00")
    await page.get_by_role("button", name="Make exam").click()
    await expect(page.get_by_role("alert")).to_have_text("The exam must close after it opens.")
    await page.get_by_label("Closes").fill("2027-04-01T09:00")  # when the clocks there are an hour ahead
    await page.get_by_role("button", name="Make exam").click()
    exam = await shown_exam(school, page)
    assert (exam["startsAt"], exam["endsAt"]) == ("2027-03-01T14:00:00.000Z", "2027-04-01T13:00:00.000Z")
    assert (exam["policy"], exam["rehearsal"], exam["accommodations"]) == (DEFAULT_POLICY, False, [])

    # The field has no seconds: those that are there stay as they are.
    path = f"/routes/exams/{exam['id']}"
    await school.admin.api.ok("PUT", path, {"startsAt": "2027-03-01T14:00:30.500Z"})
    page = await open_manage(school.admin, f"exams/{exam['id']}", timezone_id="Asia/Tokyo")
    await expect(page.get_by_label("Opens", exact=True)).to_have_value("2027-03-01T23:00")
    await expect(page.get_by_label("Opens", exact=True)).to_have_accessible_description(re.compile("Asia/Tokyo"))
    await page.get_by_role("button", name="Save exam").click()
    await expect(said(page, "Nothing was changed.")).to_be_visible()
    await page.get_by_label("Closes").fill("")
    await page.get_by_role("button", name="Save exam").click()
    await expect(said(page, "“Algebra” is saved.")).to_be_visible()
    exam = await exam_of(school, exam["id"])
    assert (exam["startsAt"], exam["endsAt"]) == ("2027-03-01T14:00:30.500Z", None)
    await page.get_by_role("link", name="All exams").click()
    await expect(page.get_by_role("row", name=re.compile("^Algebra"))).to_contain_text("From 1 Mar 2027, 23:00")


async def test_who_edits_undoes_nothing_of_another(school: Organisation, open_manage: Open) -> None:
    page = await open_manage(school.admin, f"exams/{school.exam_id}")
    path = f"/routes/exams/{school.exam_id}"
    await school.admin.api.ok("PUT", path, {"title": "Modern history", "policy": {"outageCreditMaxMinutes": 7}})
    await page.get_by_label("Duration in minutes").fill("0")
    await page.get_by_role("button", name="Save exam").click()
    await expect(page.get_by_label("Duration in minutes")).to_be_focused()  # the browser says what is wrong
    await page.get_by_label("Duration in minutes").fill("90")
    await page.get_by_label("Give extra time to").fill("stud")
    await page.get_by_role("button", name="Add student").click()
    await page.get_by_label("student student@school.example.com").first.fill("20")
    await page.get_by_role("button", name="Save exam").click()
    await expect(said(page, "“Modern history” is saved.")).to_be_visible()
    exam = await exam_of(school, school.exam_id)
    assert (exam["title"], exam["duration"], exam["policy"]["outageCreditMaxMinutes"]) == ("Modern history", 90, 7)
    assert exam["accommodations"] == [{"userId": school.student.id, "extraMinutes": 20}]
    await page.get_by_role("button", name="Remove student").click()
    await expect(page.locator("legend", has_text="Extra time")).to_be_focused()
    await page.get_by_role("button", name="Save exam").click()
    await expect(page.get_by_text("Nobody has extra time.")).to_be_visible()
    await expect(page.get_by_role("button", name="Save exam")).not_to_have_attribute("aria-disabled", "true")
    assert (await exam_of(school, school.exam_id))["accommodations"] == []


async def test_an_exam_is_deleted_where_that_loses_nothing(school: Organisation, open_manage: Open) -> None:
    rehearsal = await make_exam(school.admin, school.student, title="Trial run", rehearsal=True)
    for exam_id in (school.exam_id, rehearsal["id"]):
        await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": exam_id})
    page = await open_manage(school.admin, "exams")
    assert await axe(page) == []
    assert await axe_in_the_dark(page) == []
    await expect(page.get_by_role("row", name=re.compile("^History"))).to_contain_text("2 students, 1 proctor")
    await page.get_by_role("button", name="Delete History").click()
    dialog = page.get_by_role("alertdialog", name="Delete “History”?")
    await expect(dialog).to_contain_text("This cannot be undone.")
    assert await axe(page) == []
    await expect(dialog.locator(":focus:not(button)")).to_have_count(1)  # a key that is still held confirms nothing
    await dialog.get_by_role("button", name="Delete").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Students have started this exam, so it is kept")
    assert await axe(page) == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Delete History")).to_be_focused()
    await page.get_by_role("button", name="Delete Trial run").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(said(page, "“Trial run” is deleted.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Manage exams")).to_be_focused()
    await expect(page.get_by_role("rowheader")).to_have_text(["History"])
    left = await school.admin.api.ok("GET", "/routes/exams")
    assert [exam["id"] for exam in left] == [school.exam_id]


async def test_six_hundred_people_are_searched_and_assigned(school: Organisation, open_manage: Open) -> None:
    for first in (0, 300):
        people = [
            {"name": f"{'Blue' if number % 2 else 'Green'} {number}", "email": f"s{number}@example.com"}
            for number in range(first, first + 300)
        ]
        await school.admin.api.ok("POST", "/routes/users/import", [one | {"password": PASSWORD} for one in people])
    page = await open_manage(school.admin, f"exams/{school.exam_id}")
    assigned = page.get_by_role("region", name="Assigned students and proctors")
    await expect(assigned.get_by_role("group")).to_contain_text("603 people match; the first 100 are shown")
    await expect(assigned.get_by_role("checkbox")).to_have_count(100)
    assert await axe(page) == []
    await assigned.get_by_label("Search people").fill("blue EXAMPLE")
    await assigned.get_by_role("button", name="Assign all students that match (300)").click()
    await expect(
        said(page, "302 students and 1 proctor are assigned; not saved yet: 300 added, 0 removed.")
    ).to_be_visible()
    await assigned.get_by_label("Search people").fill("blue s59")
    await assigned.get_by_role("button", name="Remove all that match (6)").click()
    await assigned.get_by_label("Search people").fill("other@")
    await assigned.get_by_label("Show").select_option("Who is assigned")
    other = assigned.get_by_label("other other@school.example.com")
    await other.press("Space")
    await expect(other).not_to_be_checked()
    await expect(other).to_be_focused()
    await expect(
        said(page, "295 students and 1 proctor are assigned; not saved yet: 294 added, 1 removed.")
    ).to_be_visible()
    await expect(assigned.get_by_text("loses access to the exam at once")).to_be_visible()
    await assigned.get_by_role("button", name="Save who is assigned").click()
    await expect(said(page, "294 people assigned, 1 removed.")).to_be_visible()
    users = set((await exam_of(school, school.exam_id))["users"])
    assert len(users) == 296
    assert school.student.id in users
    assert school.other_student.id not in users
    await assigned.get_by_label("Show").select_option("Who is not assigned")
    await assigned.get_by_label("Search people").fill("blue")
    await expect(assigned.get_by_role("checkbox")).to_have_count(6)
    await assigned.get_by_role("checkbox").first.check()
    await assigned.get_by_role("button", name="Cancel").click()
    await expect(assigned.get_by_role("heading")).to_be_focused()
    await expect(said(page, "295 students and 1 proctor are assigned.")).to_be_visible()


async def test_a_proctor_is_told_whom_to_ask(school: Organisation, open_manage: Open) -> None:
    page = await open_manage(school.proctor, "exams")
    await expect(page.get_by_role("heading", name="For administrators")).to_be_visible()
    await expect(page.get_by_text("you are signed in as a proctor")).to_be_visible()
    await expect(page.get_by_role("listitem")).to_have_text("admin, admin@school.example.com")
    for name in ("Manage exams", "Users", "Organisation"):
        await expect(page.get_by_role("link", name=name)).to_have_count(0)
    assert await axe(page) == []
