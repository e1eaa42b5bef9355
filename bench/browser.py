"""The console page in real Chromium, with a whole exam live in it: is its main thread free, and does its memory stay?

A minute is traced, for the longest task of the page's main thread; all the time its frames are counted, and its heap is
looked at after a collection. Chromium runs on the generator's core.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import json
import shutil
from collections.abc import AsyncIterator
from typing import Any, Final

from playwright.async_api import CDPSession, Page, async_playwright
from rich.console import Console as Screen

from bench import pace
from bench.books import median
from bench.client import clock
from bench.hall import Hall, hall_of
from bench.processes import PEERS, database_process
from bench.results import Measured, Run, measured
from bench.scenarios import Size

_BEAT_S: Final = 5.0
_CHANGES_A_SECOND: Final = 200.0
_SETTLE_S: Final = 10.0
_TRACE_S: Final = 60.0
_SAMPLE_S: Final = 15.0
_FLAGS: Final = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync"]  # fmt: skip
# Milliseconds between frames, since the last time that they were asked for.
_FRAMES: Final = """(() => {
  let last = performance.now();
  window.frames_ = [];
  const frame = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
})()"""


async def browse(size: Size, screen: Screen) -> Measured:
    """The samples are seconds since the begin and the page's heap in MB."""
    samples: list[tuple[float, float]] = []
    async with database_process() as database, hall_of(PEERS["ours"], database, size.students, 1) as hall:
        await hall.enter(hall.students)
        async with _console_page(hall) as (page, session):
            students = hall.students
            traffic = pace.at_moments(
                heapq.merge(
                    pace.in_turn(_BEAT_S, [student.beat for student in students], clock()),
                    pace.at_random(_CHANGES_A_SECOND, [student.change_tab for student in students], clock()),
                    key=lambda upcoming: upcoming[0],
                )
            )
            hall.consoles.clear()  # the page is the console
            looking = asyncio.create_task(_look(page, session, size.seconds, samples, screen))
            figures = await hall.measure(size.seconds, traffic)
            figures |= await looking
            figures["shown"] = float(await page.locator(".grid .body > *").count())
        run = Run("ours", size, figures, dict(hall.books.errors))
    return measured([run], samples)


@contextlib.asynccontextmanager
async def _console_page(hall: Hall) -> AsyncIterator[tuple[Page, CDPSession]]:
    """The exam's room, live, as a proctor who has signed in sees it."""
    user_id, token = hall.world.proctors[0]
    user = {"id": str(user_id), "name": "Proctor", "email": "", "role": "PROCTOR", "organisationId": ""}
    signed_in = json.dumps(json.dumps({"token": token, "user": user}))
    url = f"http://{hall.server.host}:{hall.server.port}/console#/exams/{hall.world.exam_id}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        await context.add_init_script(f"sessionStorage.setItem('proctoring signed in', {signed_in})")
        page = await context.new_page()
        await page.goto(url)
        await page.get_by_text("Live since").wait_for()
        await page.evaluate(_FRAMES)
        yield page, await context.new_cdp_session(page)
        await browser.close()


async def _look(
    page: Page, session: CDPSession, seconds: float, samples: list[tuple[float, float]], screen: Screen
) -> dict[str, float]:
    begin = clock()
    await asyncio.sleep(_SETTLE_S)
    await page.evaluate("frames_.length = 0")
    longest = await _longest_tasks(session, min(_TRACE_S, seconds / 2))
    frames: list[float] = sorted(await page.evaluate("frames_.splice(0)"))
    while clock() - begin < seconds - _SAMPLE_S:
        await session.send("HeapProfiler.collectGarbage")
        heap = await session.send("Runtime.getHeapUsage")
        samples.append((round(clock() - begin, 1), round(heap["usedSize"] / 1e6, 2)))
        screen.print(f"{samples[-1][0]:7.0f} s  {samples[-1][1]:6.1f} MB", highlight=False)
        await asyncio.sleep(_SAMPLE_S)
    figures = {
        "longestTaskMs": longest[0],
        "tasksOver50Ms": float(sum(task > 50 for task in longest)),
        "frameP50Ms": frames[len(frames) // 2],
        "frameP99Ms": frames[len(frames) * 99 // 100],
        "frameMaxMs": frames[-1],
        "mainThreadShare": sum(longest) / (1000 * min(_TRACE_S, seconds / 2)),
    }
    quarter = len(samples) // 4
    if quarter:
        first = median(value for _, value in samples[quarter : 2 * quarter])
        last = median(value for _, value in samples[-quarter:])
        figures |= {"heapMb": last, "heapGrowth": last / first - 1}
    return figures


async def _longest_tasks(session: CDPSession, seconds: float) -> list[float]:
    """How long each task of the page's main thread took, in milliseconds, longest first, over a trace."""
    events: list[dict[str, Any]] = []
    done = asyncio.Event()
    session.on("Tracing.dataCollected", lambda message: events.extend(message["value"]))
    session.on("Tracing.tracingComplete", lambda _: done.set())
    await session.send("Tracing.start", {"categories": "toplevel,devtools.timeline", "transferMode": "ReportEvents"})
    await asyncio.sleep(seconds)
    await session.send("Tracing.end")
    await asyncio.wait_for(done.wait(), 60)
    mains = {(one["pid"], one["tid"]) for one in events
             if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"}  # fmt: skip
    tasks = [one["dur"] / 1000 for one in events
             if one["name"] in ("RunTask", "ThreadControllerImpl::RunTask") and (one["pid"], one["tid"]) in mains
             and "dur" in one]  # fmt: skip
    if not tasks:
        raise RuntimeError("the trace has no task of the page's main thread")
    return sorted(tasks, reverse=True)
