"""The faults: each is a function that breaks something of a deployment under load, and returns once that is whole."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.check import Result, check
from tests.faults.clocks import Clock
from tests.faults.deployment import Deployment, deployed
from tests.faults.disk import Disk, fill_up, may_mount
from tests.faults.load import Load, Size
from tests.faults.network import Way

Strike = Callable[[Deployment, Size], Awaitable[None]]

_SPREAD: Final = (0.0, 0.001, 0.05, 0.5, 0.95, 1.0)  # of a write's request or answer


@dataclass(frozen=True, slots=True)
class Fault:
    """`back_s`: within how many seconds all students have to be served again; None where the fault itself is longer."""

    name: str
    strike: Strike
    back_s: float | None


FAULTS: Final[dict[str, Fault]] = {}
NEED_A_DISK: Final = {"the disk is full"}
NEED_A_CLOCK: Final = {"the clocks jump ahead and are set back"}


def fault(back_s: float | None = None) -> Callable[[Strike], Strike]:
    """Add a fault under the function's name."""

    def add(strike: Strike) -> Strike:
        name = strike.__name__.replace("_", " ")
        FAULTS[name] = Fault(name, strike, back_s)
        return strike

    return add


async def run(faults: Sequence[Fault], size: Size) -> Result:
    """These, one after another, on one deployment and in one exam."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        disk = stack.enter_context(Disk(folder / "disk")) if may_mount() else None
        clock = Clock(folder / "clock") if any(one.name in NEED_A_CLOCK for one in faults) else None
        deployment = await stack.enter_async_context(deployed(folder, size.interval_ms, size.spread_s, disk, clock))
        load = await Load.make(deployment, size)
        await load.arrive()
        for one in faults:
            await load.strike(one.strike(deployment, size))
        await load.hand_in()
        result = await check(", ".join(one.name for one in faults), deployment, load)
        limits = [one.back_s for one in faults]
        if size.timed and result.back_s and all(limits) and result.back_s[-1] > max(filter(None, limits)):
            result.wrong.append(f"a student was back after {result.back_s[-1]:.1f} s")
        return result


@fault(back_s=10)
async def nothing_breaks(deployment: Deployment, size: Size) -> None:
    await asyncio.sleep(size.away_s)


@fault(back_s=10)
async def a_node_is_killed(deployment: Deployment, size: Size) -> None:
    await deployment.nodes[0].kill()
    await asyncio.sleep(size.away_s)
    await deployment.nodes[0].start()


@fault()
async def a_node_stands_still(deployment: Deployment, size: Size) -> None:
    with deployment.nodes[0].standing_still():
        await asyncio.sleep(size.away_s)


@fault(back_s=10)
async def the_database_is_killed(deployment: Deployment, size: Size) -> None:
    deployment.kill_database()
    await asyncio.sleep(size.away_s)


@fault()
async def the_database_stands_still(deployment: Deployment, size: Size) -> None:
    with deployment.database_standing_still():
        await asyncio.sleep(size.away_s)


@fault(back_s=10)
async def Redis_is_killed_and_away(deployment: Deployment, size: Size) -> None:  # noqa: N802 its name is in the table
    await deployment.redis.kill()
    await asyncio.sleep(3 * size.away_s)
    await deployment.redis.start()


@fault(back_s=10)
async def Redis_stands_still(deployment: Deployment, size: Size) -> None:  # noqa: N802 its name is in the table
    with deployment.redis_standing_still():
        await asyncio.sleep(size.away_s)


@fault()
async def all_nodes_and_the_database_are_killed(deployment: Deployment, size: Size) -> None:
    deployment.kill_database()
    await asyncio.gather(*(node.kill() for node in deployment.nodes))
    await asyncio.sleep(1)
    await asyncio.gather(*(node.start() for node in deployment.nodes))


@fault(back_s=10)
async def the_network_to_the_database_is_slow(deployment: Deployment, size: Size) -> None:
    for network in deployment.networks:
        network.delay_s, network.bytes_a_second = 0.05, 2e6
    await asyncio.sleep(size.away_s)
    for network in deployment.networks:
        network.delay_s = network.bytes_a_second = 0


@fault()
async def one_node_is_cut_off_the_database(deployment: Deployment, size: Size) -> None:
    deployment.networks[0].cut()
    await asyncio.sleep(size.away_s)
    deployment.networks[0].mend()


@fault()
async def the_network_to_the_database_hangs(deployment: Deployment, size: Size) -> None:
    for network in deployment.networks:
        network.hang()
    await asyncio.sleep(size.away_s)
    for network in deployment.networks:
        network.mend()


@fault(back_s=10)
async def writes_are_cut_at_every_point(deployment: Deployment, size: Size) -> None:
    ways: tuple[Way, ...] = ("request", "answer")
    for way in ways:
        for part in _SPREAD:
            for network in deployment.networks:
                await network.cut_next_write(way, part)


@fault()
async def the_disk_is_full(deployment: Deployment, size: Size) -> None:
    assert deployment.disk, "only root can mount a small disk"
    await fill_up(deployment.disk, deployment.database_url)
    await asyncio.sleep(size.away_s)
    deployment.disk.free()


@fault(back_s=10)
async def the_clocks_jump_ahead_and_are_set_back(deployment: Deployment, size: Size) -> None:
    assert deployment.clock
    deployment.clock.set(1800)
    await asyncio.sleep(size.away_s)
    deployment.clock.set(0)
    await asyncio.sleep(size.away_s)


@fault(back_s=10)
async def a_rolling_restart(deployment: Deployment, size: Size) -> None:
    for node in deployment.nodes:
        await node.terminate()
        await node.start()
        await asyncio.sleep(size.away_s / 2)


@fault(back_s=10)
async def SIGTERM_under_load(deployment: Deployment, size: Size) -> None:  # noqa: N802 its name is in the table
    await deployment.nodes[0].terminate()
