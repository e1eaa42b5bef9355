"""`proctoring-server erase` and `export`: what a person may ask for, done beside a server or without one."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from bson import ObjectId

from models.actors import Role
from models.fields import parse_id
from server.app import command_store
from server.settings import Settings


def add_people(commands: Any) -> None:
    """Add the subcommands."""
    erase = commands.add_parser("erase", help="erase a person: name, e-mail, chat and what was observed")
    erase.add_argument("user", type=_id, metavar="USER_ID")
    erase.set_defaults(run=_erase)
    export = commands.add_parser("export", help="print all that is stored about a person, as JSON")
    export.add_argument("user", type=_id, metavar="USER_ID")
    export.add_argument("--own", action="store_true", help="as the person gets it: a student without severities")
    export.set_defaults(run=_export)


async def _erase(settings: Settings, arguments: argparse.Namespace) -> int:
    async with command_store(settings) as store:
        user_id: ObjectId = arguments.user
        note = await store.erasures.find(user_id)
        if note is None:
            user = await store.users.by_id(user_id)
            await store.erasures.erase(user, None)
            organisation_id = user["organisationId"]
        else:
            await store.erasures.carry_on(user_id)
            organisation_id = note["organisationId"]
        on: dict[str, ObjectId | None] = {"userId": user_id}
        await store.audit.did(None, "erase_user", on, organisation_id=organisation_id)
    sys.stdout.write(f"Erased {user_id}. Servers that run forget within seconds; backups keep what they have.\n")
    return 0


async def _export(settings: Settings, arguments: argparse.Namespace) -> int:
    async with command_store(settings) as store:
        user = await store.users.by_id(arguments.user)
        on: dict[str, ObjectId | None] = {"userId": user["_id"]}
        await store.audit.did(None, "export_user", on, organisation_id=user["organisationId"])
        as_student = arguments.own and user["role"] == Role.STUDENT
        async for piece in store.exports.of(user, as_student=as_student):
            sys.stdout.buffer.write(piece)
    sys.stdout.write("\n")
    return 0


def _id(text: str) -> ObjectId:
    try:
        return parse_id(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
