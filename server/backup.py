"""`proctoring-server dump` and `restore`: one organisation as a file, and back."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from bson import ObjectId

from models.database import Database
from models.dump import exam_ids_of, read_organisation
from models.fields import now, parse_id
from models.migrations import MIGRATIONS, state_of
from models.restoring import Restore
from server.app import PREPARE, database_url
from server.dump_file import DumpWriter, check_dump, read_dump
from server.settings import Settings, SettingsError


def add_backup(commands: Any) -> None:
    """Add the subcommands."""
    dump = commands.add_parser("dump", help="write all of an organisation into a file; servers may run")
    dump.add_argument("organisation", metavar="ORGANISATION", type=_id, help="its id")
    dump.add_argument("file", metavar="FILE", type=Path)
    dump.set_defaults(run=_dump)
    restore = commands.add_parser("restore", help="put an organisation back; no server may run on the database")
    restore.add_argument("file", metavar="FILE", type=Path)
    restore.add_argument("--replace", action="store_true", help="delete the organisation first where it is there")
    restore.set_defaults(run=_restore)


async def _dump(settings: Settings, arguments: argparse.Namespace) -> int:
    async with _database(settings) as database:
        missing = (await state_of(database)).missing
        exam_ids = await exam_ids_of(database, arguments.organisation)
        header = {
            "organisationId": arguments.organisation,
            "exams": exam_ids,
            "migration": missing[0].number - 1 if missing else MIGRATIONS[-1].number,
            "at": now(),
        }
        try:
            with DumpWriter(arguments.file, header) as file:
                async for item in read_organisation(database, arguments.organisation, exam_ids):
                    file.write(item)
        except OSError as error:
            raise SettingsError(f"{arguments.file}: {error.strerror or error}") from None
    _say(f"{arguments.file}: {_counted(file.counts)}")
    return 0


async def _restore(settings: Settings, arguments: argparse.Namespace) -> int:
    contents = check_dump(arguments.file)
    header = contents.header
    if header["migration"] > MIGRATIONS[-1].number:
        raise SettingsError(f"{arguments.file}: it is of a newer version, which knows migration {header['migration']}")
    async with _database(settings) as database:
        await PREPARE[settings.migrate](database)
        restore = Restore(database, header["organisationId"])
        await restore.begin(header["exams"], contents.email_keys, replace=arguments.replace)
        for item in read_dump(arguments.file):
            await restore.write(item)
        await restore.finish(header["migration"], header["at"])
    _say(f"Restored the organisation {header['organisationId']}: {_counted(contents.counts)}")
    return 0


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    async with database_url(settings) as url:
        with contextlib.closing(Database(url)) as database:
            yield database


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _id(text: str) -> ObjectId:
    try:
        return parse_id(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
