"""Five hundred students in one console."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from playwright.async_api import expect

from models.actors import Role
from models.store import Store
from server.app import Running
from server.settings import Settings
from tests.browser.conftest import Open, axe, screenshot
from tests.clients import uuid
from tests.conftest import PASSWORD, Connect, Organisation, Person

STUDENTS = 500
GIVEN = (
    "Ada",
    "Bilal",
    "Chiara",
    "Dmitri",
    "Esi",
    "Farid",
    "Grace",
    "Hana",
    "Ivo",
    "Jun",
    "Kofi",
    "Lena",
    "Mira",
    "Noor",
)
FAMILY = (
    *("Abel", "Brandt", "Castro", "Diallo", "Eriksen", "Fontana", "Gupta", "Haddad", "Ito", "Jansen", "Kaya", "Lopez"),
    *("Mbeki", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Silva", "Tanaka", "Ueda", "Vogel", "Weber", "Xu"),
    *(
        "Yilmaz",
        "Zhang",
        "Amari",
        "Bianchi",
        "Costa",
        "Dubois",
        "Evans",
        "Fischer",
        "Garcia",
        "Horvat",
        "Ivanov",
        "Jung",
    ),
)

# Milliseconds between the page's frames, as the page itself sees them.
FRAMES = """(() => {
  let last = performance.now();
  window.frames_ = [];
  const frame = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
})()"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"heartbeat_interval_ms": 120_000})


async def make_students(store: Store, school: Organisation) -> list[tuple[str, str]]:
    """Five hundred, assigned to the exam: names and tokens."""
    made = []
    for number in range(STUDENTS):
        name = f"{GIVEN[number % len(GIVEN)]} {FAMILY[number // len(GIVEN)]}"
        email = f"student{number}@many.example.com"
        user = await store.users.create(ObjectId(), name, email, PASSWORD, Role.STUDENT, ObjectId(school.id))
        made.append((name, str(user["_id"]), store.tokens.issue(user)))
    await school.admin.api.ok("POST", f"/routes/exams/{school.exam_id}/users", {"add": [one for _, one, _ in made]})
    return [(name, token) for name, _, token in made]


async def test_two_in_trouble_among_five_hundred_are_seen_at_a_glance(
    school: Organisation, store: Store, open_console: Open, connect: Connect
) -> None:
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", {"title": "Statistics I"})
    students = await make_students(store, school)
    api = school.student.api
    few = asyncio.Semaphore(20)

    async def start(number: int, token: str) -> None:
        async with few:
            me = api.as_(token)
            session = await me.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
            for _ in range(number % 7 // 4):
                await me.ok("POST", "/routes/proctoring/tab-change", {"sessionId": session["id"], "hidden": True})

    await asyncio.gather(*(start(number, token) for number, (_, token) in enumerate(students)))
    page = await open_console(school.proctor, school.exam_id)
    await expect(page.get_by_role("heading", name="Nobody needs you now")).to_be_visible()
    await expect(page.locator(".grid button.name")).to_have_count(STUDENTS)

    (black, black_token), (twice, twice_token) = students[137], students[402]
    first = await connect("/exam", black_token, uuid())
    await first.ok("start", {"examId": school.exam_id})
    await first.ok("raise_hand", {"seq": 1, "text": "My screen went black"})
    for _ in range(2):
        device = await connect("/exam", twice_token, uuid())
        await device.ok("start", {"examId": school.exam_id})
    await expect(page.get_by_role("heading", name="2 need you now")).to_be_visible()
    cards = await page.get_by_role("region", name="2 need you now").get_by_role("button").all_inner_texts()
    assert cards[0].startswith(f"{black}\nHand raised")
    assert cards[1].startswith(f"{twice}\nConnected from a second device")
    rows = await page.locator(".grid button.name").all_inner_texts()
    assert rows[:2] == [black, twice]
    assert len(rows) == STUDENTS
    assert await axe(page) == []
    await screenshot(page, "console")


async def test_a_rehearsal_of_five_hundred_is_shown_to_its_end(
    school: Organisation, server: Running, open_console: Open, tmp_path: Path, record_property: Any
) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "rehearse", "--students", str(STUDENTS), "--seconds", "12", "--url", server.url,
        "--email", school.admin.email, "--password", PASSWORD, cwd=tmp_path, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        exam_id = await rehearsed(school.admin)
        page = await open_console(school.admin, exam_id)
        await page.evaluate(FRAMES)
        await expect(page.locator(".grid button.name")).to_have_count(STUDENTS, timeout=60_000)
        figures = page.get_by_role("list", name="The exam in figures")
        output = asyncio.create_task(process.communicate())
        try:
            await expect(figures).to_contain_text(f"{STUDENTS} done", timeout=60_000)
        except AssertionError:
            assert not output.done(), output.result()[0].decode()  # why the rehearsal ended early
            raise
        frames = sorted(await page.evaluate("frames_"))
        record_property("frame_p50_ms", frames[len(frames) // 2])
        record_property("frame_p99_ms", frames[len(frames) * 99 // 100])
        out, _ = await asyncio.wait_for(output, 120)
        assert process.returncode == 0, out.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def rehearsed(admin: Person) -> str:
    """The rehearsal's exam, once it is made and somebody has started."""
    async with asyncio.timeout(120):
        while True:
            for exam in await admin.api.ok("GET", "/routes/exams"):
                if exam["rehearsal"] and await admin.api.ok("GET", f"/routes/proctoring?examId={exam['id']}&limit=1"):
                    return str(exam["id"])
            await asyncio.sleep(0.5)
