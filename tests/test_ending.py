"""The process ends in time, whatever hangs, and says where it did."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo.uri_parser import parse_uri

from tests.conftest import SECRET
from tests.faults.network import network_to
from tests.processes import serving

_HANGING = """
import asyncio, time
from server.ending import end_within

async def for_ever():
    {how}

async def main():
    end_within(1.5)
    await for_ever()

asyncio.run(main())
"""


async def hanging(how: str) -> tuple[int | None, str]:
    """The status and the last words of a process that hangs at its end in this way."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HANGING.format(how=how), stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, err.decode()


async def test_a_server_that_waits_for_ever_ends_and_tells_what_for() -> None:
    status, said = await hanging("await asyncio.Event().wait()")
    assert status == 1
    assert "the server does not end: Task-1 waits at Event.wait:" in said
    assert " < for_ever:6 < main:10" in said


@pytest.mark.parametrize(
    "how", ["time.sleep(60)", "__import__('threading').Thread(target=time.sleep, args=[60]).start()"]
)
async def test_a_server_whose_loop_or_last_thread_hangs_ends_and_tells_where(how: str) -> None:
    status, said = await hanging(how)
    assert status == 1
    assert "Timeout (0:00:01.500000)!" in said
    assert "in for_ever" in said or "in _shutdown" in said


async def test_a_database_that_has_just_gone_silent_does_not_keep_the_server_from_ending(
    mongodb: str, tmp_path: Path
) -> None:
    ((host, port),) = parse_uri(mongodb)["nodelist"]
    assert host == "127.0.0.1"
    async with network_to(port) as network:
        url = f"mongodb://127.0.0.1:{network.port}/{uuid4().hex}"
        async with serving(tmp_path, DATABASE_URL=url, JWT_SECRET=SECRET) as server:
            assert server.process
            network.hang()
            server.process.send_signal(signal.SIGTERM)
            try:
                out, _ = await asyncio.wait_for(server.process.communicate(), 20)
            finally:
                network.mend()
            assert server.process.returncode == 0, out.decode()
