"""Every fault, a few at a time in one small exam. `make chaos` takes them one by one, and at any size."""

from __future__ import annotations

import shutil

import pytest

from tests.faults.load import SMALL
from tests.faults.scenarios import FAULTS, NEED_A_DISK, run

needs_processes = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("redis-server")), reason="nginx or redis-server is not installed"
)

EXAMS = [
    ["a node is killed", "the database is killed", "Redis is killed and away"],
    ["a node stands still", "the database stands still", "Redis stands still"],
    ["all nodes and the database are killed", "the clocks jump ahead and are set back"],
    [
        "the network to the database is slow",
        "one node is cut off the database",
        "the network to the database hangs",
        "writes are cut at every point",
    ],
    ["a rolling restart", "SIGTERM under load"],
]


@needs_processes
@pytest.mark.parametrize("faults", EXAMS, ids=lambda names: ", ".join(names).replace(" ", "_"))
async def test_nothing_acked_is_missing_or_twice_and_there_is_no_false_alarm(faults: list[str]) -> None:
    result = await run([FAULTS[name] for name in faults], SMALL)
    assert result.good, "\n".join(result.problems)
    assert result.acked > SMALL.students


def test_every_fault_is_in_some_exam_but_for_what_the_embedded_database_does_not_bear() -> None:
    tried = {name for exam in EXAMS for name in exam}
    assert tried == FAULTS.keys() - {"nothing breaks"} - NEED_A_DISK
