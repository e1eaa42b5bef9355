"""The API's page: all that the server publishes of itself is on it, found, linked to, copied, and read by anybody."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from handlers.exam_namespace import ExamNamespace
from handlers.proctor_namespace import ProctorNamespace
from server.app import Running
from tests.browser.conftest import Open, axe, axe_in_the_dark
from tests.clients import Api

METHODS = {"get", "put", "post", "delete", "patch", "options", "head"}
NARROW = {"width": 320, "height": 640}
# Of what could stick out at the right, what does; what is only for screen readers cannot be seen.
STICKS_OUT = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const { right, width } = one.getBoundingClientRect();
  return width > 1 && right > innerWidth + 0.5 && !one.closest(".hidden-visually, thead");
}).map((one) => one.outerHTML.slice(0, 200))"""


@pytest.fixture
async def open_docs(server: Running, contexts: Any) -> Open:
    """`await open_docs("#errors")`: the page at that place, in a browser of its own."""

    async def make(place: str = "", **options: Any) -> Page:
        context = await contexts(**options)
        page: Page = await context.new_page()
        await page.goto(f"{server.url}/docs{place}")
        await expect(page.get_by_role("heading", level=1)).to_contain_text(": API")
        return page

    return make


def entry(page: Page, title: str) -> Locator:
    return page.get_by_role("article", name=title, exact=True)


def last_of(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


async def test_every_operation_of_rest_is_shown(api: Api, open_docs: Open) -> None:
    page = await open_docs()
    published = {
        f"{method.upper()} {path}": one
        for path, item in api.contract["paths"].items()
        for method, one in item.items()
        if method in METHODS
    }
    shown = await page.locator('article[aria-labelledby^="rest-"]').evaluate_all(
        """(all) => all.map((one) => [
          one.querySelector("h4").innerText,
          [...one.querySelectorAll(".answers > li > strong")].map((status) => status.innerText),
          [...one.querySelectorAll(":scope > p")].map((text) => text.innerText).join(" "),
        ])"""
    )
    assert sorted(title for title, *_ in shown) == sorted(published)
    assert len(published) > 30
    for title, statuses, text in shown:
        assert set(statuses) == set(published[title]["responses"]), title
        assert published[title].get("summary", "").replace("`", "") in text, title


async def test_every_event_and_push_is_shown(server: Running, api: Api, open_docs: Open) -> None:
    async with api.http.get(server.url + "/asyncapi.json") as response:
        document = await response.json()
    page = await open_docs()
    directions = {"receive": "client to server", "send": "server to client"}
    published: dict[str, list[str]] = {}
    for one in document["operations"].values():
        channel = document["channels"][last_of(one["channel"])]
        name = channel["messages"][last_of(one["messages"][0])]["name"]
        published.setdefault(f"{channel['address']}: {directions[one['action']]}", []).append(name)
    assert len(published) == 4
    for group, names in published.items():
        region = page.get_by_role("region", name=group, exact=True)
        assert sorted(await region.locator("h4").all_inner_texts()) == sorted(names)
        acked = region.get_by_role("article").filter(has_text="Data of the ack")
        await expect(acked).to_have_count(len(names) if "client to" in group else 0)
    codes = document["components"]["schemas"]["EventError"]["properties"]["code"]["enum"]
    assert await page.get_by_role("region", name="Errors").get_by_role("listitem").all_inner_texts() == codes


async def test_every_field_that_a_client_sends_is_shown(open_docs: Open) -> None:
    page = await open_docs()
    for namespace in (ExamNamespace, ProctorNamespace):
        group = page.get_by_role("region", name=f"{namespace.path}: client to server")
        for event, one in namespace.events.items():
            caption = f"Payload of {event} of {namespace.path}"
            names = group.get_by_role("table", name=caption).get_by_role("rowheader")
            fields = {field.alias or name for name, field in one.payload.model_fields.items()}
            assert {name for name in await names.all_inner_texts() if "." not in name} == fields, caption


async def test_what_is_looked_for_is_found(open_docs: Open) -> None:
    page = await open_docs()
    contents = page.get_by_role("navigation", name="Contents")
    everything = await contents.get_by_role("link").count()
    for words, found in (("Tab-Change post", "POST /routes/proctoring/tab-change"), ("Raise_hand", "raise_hand")):
        await contents.get_by_label("Find").fill(words)
        await expect(contents.get_by_role("listitem")).to_have_text([found])
        await expect(contents.get_by_role("status")).to_have_text("1 found")
    await contents.get_by_label("Find").fill("no such thing")
    await expect(contents.get_by_role("status")).to_have_text("0 found")
    await expect(contents.get_by_role("link")).to_have_count(0)
    await contents.get_by_label("Find").fill("")
    await expect(contents.get_by_role("link")).to_have_count(everything)
    await expect(contents.get_by_role("status")).to_be_empty()


async def test_a_link_leads_to_its_place(open_docs: Open) -> None:
    page = await open_docs("#event-exam-tab-change")
    linked = entry(page, "tab_change").get_by_role("heading", name="tab_change")
    await expect(linked).to_be_in_viewport()
    contents = page.get_by_role("navigation", name="Contents")
    await expect(contents.locator("[aria-current]")).to_have_text("tab_change")
    await contents.get_by_role("link", name="DELETE /routes/exams/{id}", exact=True).click()
    await expect(page).to_have_url(re.compile("#rest-delete-routes-exams-id$"))
    await expect(entry(page, "DELETE /routes/exams/{id}").get_by_role("heading").first).to_be_in_viewport()
    await expect(contents.locator("[aria-current]")).to_have_text("DELETE /routes/exams/{id}")
    await page.go_back()
    await expect(linked).to_be_in_viewport()
    nowhere = """(links) => links.map((link) => link.getAttribute("href").slice(1))
      .filter((id) => !document.getElementById(id))"""
    assert await page.locator('a[href^="#"]').evaluate_all(nowhere) == []


async def test_a_line_is_copied(server: Running, open_docs: Open) -> None:
    page = await open_docs(permissions=["clipboard-read", "clipboard-write"])
    article = entry(page, "POST /routes/exams")
    await article.get_by_role("button", name="Copy the curl line").click()
    await expect(article.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    line = (await page.evaluate("navigator.clipboard.readText()")).replace("\\\n", "")
    command, *arguments, body = shlex.split(line)
    assert [command, *arguments] == [
        *("curl", "-X", "POST", f"{server.url}/routes/exams"),
        *("-H", "Authorization: Bearer $TOKEN", "-H", "Content-Type: application/json", "-d"),
    ]
    assert {"title", "duration"} <= set(json.loads(body))


async def test_where_a_page_may_not_copy_the_text_is_selected(open_docs: Open) -> None:
    page = await open_docs()
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as without HTTPS
    article = entry(page, "tab_change")
    await article.get_by_role("button", name="Copy the lines for tab_change").click()
    await expect(article.get_by_text("Selected: copy it with the keyboard.")).to_be_visible()
    assert 'socket.emitWithAck("tab_change"' in await page.evaluate("getSelection().toString()")


async def test_by_keyboard_alone(open_docs: Open) -> None:
    page = await open_docs()
    focused = page.locator(":focus")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the reference")).to_be_focused()
    await expect(focused).to_be_in_viewport()
    for _ in range(3):  # past the two documents
        await page.keyboard.press("Tab")
    await expect(page.get_by_label("Find")).to_be_focused()
    await page.keyboard.type("heartbeats")
    await page.keyboard.press("Tab")
    await expect(focused).to_have_text("proctoring")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")  # on from where the link led
    title = "GET /routes/proctoring/{sessionId}/heartbeats"
    await expect(entry(page, title).get_by_role("link", name=title)).to_be_focused()
    while await focused.evaluate("(one) => one.tagName") != "SUMMARY":
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(entry(page, title).get_by_role("table", name=f"Answer 200 to {title}")).to_be_visible()
    await page.reload()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Shift+Tab")
    await page.get_by_role("link", name="Skip to the reference").press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()


async def test_nothing_is_wrong_for_who_sees_badly_or_not_at_all(open_docs: Open) -> None:
    page = await open_docs()
    assert await axe(page) == []
    assert await axe_in_the_dark(page, without=".entry:nth-of-type(n + 3)") == []  # all have the same colours


async def test_a_narrow_screen_shows_all_of_it(open_docs: Open) -> None:
    page = await open_docs(viewport=NARROW)
    await page.locator("details").evaluate_all("(all) => all.forEach((one) => (one.open = true))")
    assert await page.evaluate(STICKS_OUT) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
