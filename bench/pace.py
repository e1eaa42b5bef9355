"""Calls at given moments, to a tenth of a millisecond. The event loop's own timers are a whole one coarse."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Final

from bench.client import clock

Action = Callable[[float], None]

_ABSOLUTE: Final = 1
_SEED: Final = 9


async def at_moments(moments: Iterable[tuple[float, Action]]) -> None:
    """Call each action with its moment (of `clock`, ascending) when it has come; one that is late at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()
    upcoming = iter(moments)
    moment, action = next(upcoming, (0.0, None))

    def proceed() -> None:
        nonlocal moment, action
        try:
            while action and moment <= clock():
                action(moment)
                moment, action = next(upcoming, (0.0, None))
            if action is None:
                finished.set_result(None)
                return
            whole = int(moment)
            when = struct.pack("@4q", 0, 0, whole, int((moment - whole) * 1e9))
            libc.timerfd_settime(timer, _ABSOLUTE, when, None)  # this also takes back that it had expired
        except Exception as error:  # noqa: BLE001 whoever waits gets it
            finished.set_exception(error)

    loop.add_reader(timer, proceed)
    try:
        proceed()
        await finished
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def at_random(rate: float, actions: Sequence[Action], begin: float) -> Iterator[tuple[float, Action]]:
    """`rate` events a second for ever, independent of each other, each of one of `actions`; the same in every run."""
    dice = random.Random(_SEED)
    moment = begin
    while True:
        moment += dice.expovariate(rate)
        yield moment, dice.choice(actions)


def in_turn(interval: float, actions: Sequence[Action], begin: float) -> Iterator[tuple[float, Action]]:
    """Each action every `interval` seconds for ever, at a phase of its own; the same in every run."""
    dice = random.Random(_SEED)
    phases = sorted((dice.random() * interval, number) for number in range(len(actions)))
    for turn in count():
        for phase, number in phases:
            yield begin + turn * interval + phase, actions[number]
