"""Real Chromium, Debian's, driven by Playwright, against the real server with the pages that were built."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from server.app import Running
from tests.clients import Socket, uuid
from tests.conftest import PASSWORD as PASSWORD
from tests.conftest import Connect, Organisation, Person

CHROMIUM = shutil.which("chromium")
SHOTS = Path(__file__).parent.parent.parent / "docs" / "screenshots"
WEB = Path(__file__).parent.parent.parent / "web"
MADE = re.compile("[2-9a-z]{4}(-[2-9a-z]{4}){2}")  # a password that was not chosen by hand
# Without these it looks for updates and hosts of its maker; as root it has no sandbox of its own.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip

expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Chromium these are skipped, but for CI, where they fail."""
    if CHROMIUM or os.environ.get("REQUIRE_ALL"):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="there is no Chromium: apt-get install chromium"))


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def contexts(browser: Browser) -> AsyncIterator[Callable[..., Awaitable[BrowserContext]]]:
    """A browser of its own for each: `await contexts()`. What a page's script throws fails the test."""
    made: list[BrowserContext] = []
    errors: list[str] = []

    async def make(**options: Any) -> BrowserContext:
        context = await browser.new_context(**({"locale": "en-GB", "timezone_id": "Europe/London"} | options))
        context.on("weberror", lambda one: errors.append(str(one.error)))
        context.on("console", lambda one: errors.append(one.text) if "Content Security Policy" in one.text else None)
        made.append(context)
        return context

    yield make
    for context in made:
        await context.close()
    assert errors == []


async def sign_in(page: Page, url: str, path: str, who: Person) -> None:
    await page.goto(url + path)
    await page.get_by_label("E-mail").fill(who.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


@pytest.fixture
async def open_console(server: Running, contexts: Any) -> Open:
    """`await open_console(person, exam_id)`: a console in a browser of its own, joined where an exam is given."""

    async def make(who: Person, exam_id: str | None = None, url: str = server.url, **options: Any) -> Page:
        context = await contexts(viewport={"width": 1440, "height": 900}, **options)
        page: Page = await context.new_page()
        await sign_in(page, url, "/console" + (f"#/exams/{exam_id}" if exam_id else ""), who)
        if exam_id:
            await expect(page.get_by_text("Live since")).to_be_visible()
        return page

    return make


async def axe(page: Page) -> list[str]:
    """What axe-core finds against the page as it is, of WCAG 2.2 A and AA and best practices."""
    await page.evaluate((WEB / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8"))
    found = await page.evaluate("axe.run({resultTypes: ['violations']}).then((result) => result.violations)")
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


async def screenshot(page: Page, name: str) -> None:
    """Keep what a page looks like, for README.md: only on demand (`make screenshots`), as no two are the same."""
    if os.environ.get("SCREENSHOTS"):
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture
async def console(connect: Connect, school: Organisation) -> Socket:
    """The school's proctor, who has joined its exam over a socket of their own."""
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    return console


@pytest.fixture
async def open_exam(server: Running, contexts: Any) -> Open:
    """`await open_exam(student)`: the student's page in a browser of its own, in the midst of the exam History."""

    async def make(who: Person, url: str = server.url, **options: Any) -> Page:
        page: Page = await (await contexts(**options)).new_page()
        await sign_in(page, url, "/exam", who)
        await begin(page)
        return page

    return make


async def begin(page: Page) -> None:
    """Choose the exam History, agree, and start."""
    await page.get_by_role("button", name=re.compile("(Choose|Go on with) History")).click()
    await page.get_by_label("I understand what is observed").check()
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_text("Connected", exact=True).first).to_be_visible()


async def give(console: Socket, exam_id: str, action: str, **fields: Any) -> None:
    """Give a command to the one session that it fits, and wait until the page has confirmed it."""
    wish = {"requestId": uuid(), "examId": exam_id, "action": action} | fields
    (command,) = (await console.ok("command", wish))["commands"]
    wanted = (command["id"], "ACKNOWLEDGED")
    await console.until("commands", lambda told: wanted in [(one["id"], one["fate"]) for one in told["items"]])


async def axe_in_the_dark(page: Page, without: str = "") -> list[str]:
    """What axe-core finds against the dark colours: all else is as it is in the light. `without`: a selector."""
    await page.evaluate((WEB / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8"))
    await page.emulate_media(color_scheme="dark")
    where = {"exclude": [without]} if without else {"include": ["html"]}
    run = "(where) => axe.run(where, {runOnly: ['color-contrast']}).then((result) => result.violations)"
    found = await page.evaluate(run, where)
    await page.emulate_media(color_scheme="light")
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


@pytest.fixture
async def open_manage(server: Running, contexts: Any) -> Open:
    """`await open_manage(person, "users")`: that part of the console's management, in a browser of its own."""

    async def make(who: Person, section: str, **options: Any) -> Page:
        page: Page = await (await contexts(**options)).new_page()
        await sign_in(page, server.url, f"/console#/manage/{section}", who)
        await expect(page.locator(".manage h1")).to_be_visible()
        await expect(page.get_by_text("Loading…")).to_have_count(0)
        return page

    return make


async def say(page: Page, text: str) -> None:
    """Write to the proctors; in the pause's dialog, where there is one."""
    await page.get_by_label("Message to the proctors").last.fill(text)
    await page.keyboard.press("Enter")


async def answer(console: Socket, activity: dict[str, Any], text: str) -> None:
    """Write to the student whose activity this is."""
    to = {name: activity[name] for name in ("examId", "sessionId")}
    await console.ok("chat", {"requestId": uuid(), "text": text} | to)


def said(page: Page, text: str) -> Locator:
    """What a page says when something is done."""
    return page.get_by_role("status").filter(has_text=text)


async def told(page: Page, title: str) -> str:
    """The password that this dialog shows; closing it takes it away."""
    dialog = page.get_by_role("alertdialog", name=title)
    password: str = await dialog.locator("code").inner_text()
    assert MADE.fullmatch(password)
    assert await axe(page) == []
    await dialog.get_by_role("button", name="Done").click()
    await expect(page.get_by_text(password)).to_have_count(0)
    return password


async def downloaded(page: Page, folder: Path) -> list[list[str]]:
    """The rows of the file that an import's passwords are downloaded as, read as a spreadsheet reads it."""
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download passwords (CSV)").click()
    file = await download.value
    assert file.suggested_filename == "passwords.csv"
    await file.save_as(folder / "passwords.csv")
    content = (folder / "passwords.csv").read_bytes()
    assert content.startswith(codecs.BOM_UTF8)  # without it umlauts would be others
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
