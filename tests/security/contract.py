"""Schemathesis over the published OpenAPI document: every operation, by nobody and by each role."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.security.attack import Attack, Outcome, Size, Target

_CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
_LOGOUT: Final = "/routes/auth/logout"
_SHORT: Final = "examples,fuzzing"
_WHOLE: Final = "examples,coverage,fuzzing,stateful"


async def contract(target: Target, size: Size) -> Outcome:
    """`size.number`: cases an operation, phase and role. All its checks; what it found is wrong, one line each.

    The accounts are those of an organisation that no other attack needs, for an ADMIN's run changes passwords.
    """
    outcome, college = Outcome(), target.world.college
    people = {"nobody": None, "STUDENT": college.students[0], "PROCTOR": college.proctor, "ADMIN": college.admin}
    people["SALES"] = target.world.sales
    whole = size.number >= 10
    for role, account in people.items():
        token = None if account is None else account.token
        only = ("--exclude-path", _LOGOUT)
        found = await _run(target, token, size.number, _WHOLE if whole else _SHORT, only)
        _take(outcome, role, found)
    found = await _run(target, college.students[0].token, 1, "examples,coverage", ("--include-path", _LOGOUT))
    _take(outcome, "signing out", found)
    return outcome


async def _run(target: Target, token: str | None, number: int, phases: str, only: tuple[str, ...]) -> dict[str, Any]:
    """Its report. RuntimeError with what it said where there is none."""
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        report = Path(folder) / "report.json"
        options = ["--phases", phases, "--max-examples", f"{number}", "--seed", "1", "--continue-on-failure"]
        options += ["--report", "json", "--report-json-path", str(report), "--no-color", *only]
        if token:
            options += ["--header", f"Authorization: Bearer {token}"]
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(_CONFIG), "run"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, f"{target.url}/openapi.json", *options, cwd=folder, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not report.exists():
            raise RuntimeError(said.decode()[-2000:])
        loaded: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return loaded


def _take(outcome: Outcome, role: str, report: dict[str, Any]) -> None:
    """Note what a run found."""
    outcome.tried += report["test_cases"]["generated"]
    for phases in report["valid_rates"].values():
        for answers in phases.values():
            outcome.seen.update(answers)
    for failure in report["failures"]:
        for where in failure["operations"]:
            outcome.wrong.append(f"{role}: {failure['title']}: {where}")
    outcome.wrong += [f"{role}: {error}" for error in report["errors"]]
    if report["operations"]["tested"] != report["operations"]["selected"]:
        outcome.wrong.append(f"{role}: not every operation was tried: {report['operations']}")


CONTRACT = [Attack("Schemathesis over /openapi.json", contract, Size(10), Size(1))]
