"""`proctoring-server seal`: seal records at once, without waiting for 24 hours to pass."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from bson import ObjectId

from models.chain import fingerprint
from models.fields import parse_id, parse_instant
from server.app import command_store
from server.settings import Settings


def add_seal(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("seal", help="seal the records of sessions that are over; say which key does it")
    parser.add_argument("sessions", type=_of(parse_id), nargs="*", metavar="SESSION_ID")
    parser.add_argument(
        "--ended-before",
        type=_of(parse_instant),
        metavar="TIME",
        help="all that ended before, like 2026-05-04T09:00:00Z",
    )
    parser.set_defaults(run=_seal)


async def _seal(settings: Settings, arguments: argparse.Namespace) -> int:
    async with command_store(settings) as store:
        wanted: dict[ObjectId, None] = dict.fromkeys(arguments.sessions)
        if arguments.ended_before:
            wanted |= {session["_id"]: None for session in await store.seals.ended(arguments.ended_before)}
        for session_id in wanted:
            count = await store.seals.seal(session_id)
            _say(f"{session_id}: {count} activities sealed" if count else f"{session_id}: was sealed before")
        key = store.seals.public_key
    _say(f"The key: {key}, fingerprint {fingerprint(key)}")
    return 0


def _of(parse: Any) -> Any:
    def checked(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
