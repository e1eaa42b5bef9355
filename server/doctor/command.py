"""`proctoring-server doctor`: look at a deployment, and say what to mend."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any, Final

from server.app import database_url
from server.doctor.database import check_database
from server.doctor.findings import Finding
from server.doctor.machine import check_machine
from server.doctor.redis import check_redis
from server.doctor.secrets import check_secrets
from server.settings import Settings, SettingsError

_EXPECTED: Final = 2000


def add_doctor(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("doctor", help="check this deployment; ends with 1 where something fails")
    parser.add_argument("--connections", type=int, default=_EXPECTED, metavar="N", help="expected on this node")
    parser.add_argument("--json", action="store_true", help="print {ok, checks: [{level, check, text}]}")
    parser.set_defaults(run=_doctor)


async def _doctor(settings: Settings, arguments: argparse.Namespace) -> int:
    findings = [*check_secrets(settings), *check_machine(settings, arguments.connections)]
    try:
        async with database_url(settings) as url:
            findings += await check_database(settings, url)
    except SettingsError as error:
        findings.append(Finding("fail", "database", str(error)))
    if settings.redis_url:
        findings += await check_redis(settings.redis_url.get_secret_value())
    well = all(one.level != "fail" for one in findings)
    if arguments.json:
        _say(json.dumps({"ok": well, "checks": [asdict(one) for one in findings]}, indent=2))
    else:
        for one in findings:
            _say(f"{one.level:4}  {one.check:13}  {one.text}")
    return 0 if well else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
