"""`proctoring-server migrate`: make the database what this version expects, and say what it has had."""

from __future__ import annotations

import argparse
import contextlib
import sys
from datetime import datetime
from typing import Any

from models.database import Database
from models.fields import format_instant
from models.migrations import MIGRATIONS, migrate, state_of
from server.app import database_url
from server.settings import Settings


def add_migrate(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("migrate", help="make what the database lacks of this version's indexes and documents")
    parser.add_argument("--list", action="store_true", help="say what is done and what is not, and change nothing")
    parser.add_argument("--again", action="store_true", help="make all, also what is done: where an index was lost")
    parser.set_defaults(run=_migrate)


async def _migrate(settings: Settings, arguments: argparse.Namespace) -> int:
    async with database_url(settings) as url:
        with contextlib.closing(Database(url)) as database:
            if not arguments.list:
                await migrate(database, again=arguments.again)
            state = await state_of(database)
    for one in MIGRATIONS:
        _say(one.number, one.about, state.done.get(one.number))
    for unknown in state.unknown:
        _say(unknown["_id"], f"{unknown['about']} (a newer version's)", unknown["at"])
    return 0


def _say(number: int, about: str, at: datetime | None) -> None:
    sys.stdout.write(f"{number:3}  {format_instant(at) if at else 'not done':24}  {about}\n")
