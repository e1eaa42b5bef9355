"""Whatever may be sent: payloads of every event, frames of either protocol, bodies of polls. Hypothesis makes them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.frames import Frames, event_frame, opened, parse
from tests.security.attack import Attack, Outcome, Size, Target, ask
from tests.security.payloads import PAYLOADS, Ids

_ANSWER_S: Final = 20.0
_BYTES: Final = st.binary(max_size=60)
_TEXTS: Final = st.text(max_size=40) | st.sampled_from(["", "$ne", "\x00", "\u202e", "x" * 3000, "0" * 24, "é" * 700])
_NUMBERS: Final = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, -1, 2**31, 2**53, 2**63, 1e308])
JSON: Final = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


def _payloads(good: dict[str, Any]) -> st.SearchStrategy[Any]:
    """The good payload with some fields replaced, left out or added; or anything."""
    changes = st.dictionaries(st.sampled_from(sorted(good) or ["x"]), JSON, max_size=3)
    more = st.dictionaries(_TEXTS, JSON, max_size=2)
    missing = st.sets(st.sampled_from(sorted(good) or ["x"]), max_size=2)

    def made(change: dict[str, Any], extra: dict[str, Any], out: set[str]) -> dict[str, Any]:
        return {name: value for name, value in (good | extra | change).items() if name not in out}

    return st.builds(made, changes, more | st.just({}), missing | st.just(set())) | JSON


def _event_calls(ids: Ids) -> st.SearchStrategy[tuple[str, str, list[Any]]]:
    """Namespace, event and its arguments."""
    rows = [(namespace, event, payload(ids)) for (namespace, event), payload in PAYLOADS.items() if event != "end"]
    return st.one_of(
        *(
            st.tuples(
                st.just(namespace), st.just(event), st.lists(_payloads(good), min_size=1, max_size=2) | st.just([])
            )
            for namespace, event, good in rows
        )
    )


def _frames() -> st.SearchStrategy[str | bytes]:
    """What may be a frame: parts of both protocols in any order, good ones cut, anything at all."""
    words = (
        '4 40 41 42 43 44 45 46 2 3 1 0 5 6 2probe /exam /proctor , ? - 7 99999999999999999999 [ ] { } " : null \\ud800'
    )
    wholes = [
        '["heartbeat",{}]',
        '{"_placeholder":true,"num":0}',
        '{"token":"x"}',
        '["start",{"examId":',
        "\x00",
        "\ufeff",
    ]
    part = st.sampled_from([*words.split(), *wholes])
    good = '42/exam,7["tab_change",{"seq":1,"hidden":true}]'
    cut = st.tuples(st.integers(0, len(good)), _TEXTS, st.integers(0, len(good)))
    spoilt = cut.map(lambda one: good[: one[0]] + one[1] + good[one[2] :])
    return st.one_of(
        st.lists(part, max_size=12).map("".join), spoilt, st.text(max_size=50), st.builds(_event, JSON), _BYTES
    )


def _event(value: Any) -> str:
    return "42/exam,7" + json.dumps([value, value])


async def payloads(target: Target, size: Size) -> Outcome:
    """Every event's payload, through a real socket; each is answered, and never `internal`."""
    outcome, world = Outcome(), target.world
    ids = Ids(world.crowd.exam_id, world.school.session_id, world.school.session_id)
    people = {"/exam": world.crowd.students[-1], "/proctor": world.crowd.proctor}
    async with target.session() as http, contextlib.AsyncExitStack() as stack:
        lines: dict[str, Frames] = {}
        number = 0

        async def one(case: tuple[str, str, list[Any]]) -> None:
            nonlocal number
            namespace, event, args = case
            if namespace not in lines:
                frames = lines[namespace] = await stack.enter_async_context(opened(http, target.ws_url))
                await frames.connect(namespace, {"token": people[namespace].token})
            number += 1
            try:
                async with asyncio.timeout(_ANSWER_S):
                    ack = await ask(lines[namespace], namespace, number, event, *args)
            except TimeoutError:
                outcome.wrong.append(f"silence after {event} {args!r:.300}")
                ack = None
            outcome.acked(f"{namespace} {event} {args!r:.300}", ack)
            if ack is None:
                del lines[namespace]

        await _examples(_event_calls(ids), one, size.number)
    return outcome


async def raw_frames(target: Target, size: Size) -> Outcome:
    """Three frames of whatever on a student's connection: a heartbeat after them is answered, or it was closed."""
    account = target.world.take(1)[0]

    async def one(http: aiohttp.ClientSession, outcome: Outcome, case: list[str | bytes]) -> None:
        async with opened(http, target.ws_url) as frames:
            await frames.connect("/exam", {"token": account.token})
            texts = [one for one in case if isinstance(one, bytes) or _is_utf8(one)]
            await frames.send(*texts, event_frame("/exam", 55555, "heartbeat", {}))
            await _answered(frames, outcome, case)

    return await _each(target, st.lists(_frames(), min_size=1, max_size=3), one, size.number)


async def polls(target: Target, size: Size) -> Outcome:
    """Bodies of polls of whatever, with a session and without."""

    async def one(http: aiohttp.ClientSession, outcome: Outcome, case: tuple[bool, str | bytes, str]) -> None:
        opens, body, query = case
        url = f"{target.ws_url}/socket.io/?EIO=4&transport=polling"
        if opens:
            async with http.get(url) as response:
                text = await response.text()
            if response.status == 200:
                url += "&sid=" + json.loads(text[1:])["sid"]
        else:
            url += query
        data = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
        async with http.post(url, data=data) as response:
            outcome.answered(f"POST {url[-60:]} {data!r}", response.status, await response.text())

    query = st.sampled_from(["", "&sid=x", "&sid=%00", "&sid[$ne]=1", "&j=1", "&EIO=3", "&transport=websocket"])
    return await _each(target, st.tuples(st.booleans(), _frames(), query), one, size.number)


async def _each(
    target: Target,
    strategy: st.SearchStrategy[Any],
    one: Callable[[aiohttp.ClientSession, Outcome, Any], Awaitable[None]],
    number: int,
) -> Outcome:
    outcome = Outcome()
    async with target.session() as http:
        await _examples(strategy, lambda case: one(http, outcome, case), number)
    return outcome


async def _answered(frames: Frames, outcome: Outcome, case: object) -> None:
    try:
        async with asyncio.timeout(_ANSWER_S):
            while (frame := await frames.receive()) is not None:
                if frame.startswith("43"):
                    _, number, data = parse(frame)
                    if number == 55555:
                        outcome.acked(f"after {case}", data[0])
                        return
                    if data and isinstance(data[0], dict):
                        outcome.acked(str(case), data[0])
            outcome.note("closed")
    except TimeoutError:
        outcome.note("silence")
        outcome.wrong.append(f"silence after {case!r:.300}")


async def _examples(strategy: st.SearchStrategy[Any], one: Callable[[Any], Awaitable[None]], number: int) -> None:
    """Have Hypothesis make so many cases, the same each time; in a thread, for it knows nothing of loops."""
    loop = asyncio.get_running_loop()

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(case: Any) -> None:
        asyncio.run_coroutine_threadsafe(_awaited(one(case)), loop).result()

    await asyncio.to_thread(run)


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


FUZZ = [
    Attack("payloads of every event", payloads, Size(5_000), Size(300)),
    Attack("frames of whatever", raw_frames, Size(2_000), Size(100)),
    Attack("polls of whatever", polls, Size(2_000), Size(100)),
]
