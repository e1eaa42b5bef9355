"""`proctoring-server verify FILE`: whether a session's record is as it was sealed, without a server or settings."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from models.chain import RECORD_FORMAT, START, Json, fingerprint, hash_of, is_signed, link_of, read_key, unhex
from models.record import Record, counts_of, verdict_of

_FIELDS: Final = {field.alias for field in Record.model_fields.values()}


class NoRecord(Exception):
    """The file is no record; the text says why."""


class Broken(Exception):
    """The record is not as it was sealed; the text says where."""


def add_verify(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("verify", help="check a session's record, offline")
    parser.add_argument(
        "file", metavar="FILE", help="what GET /routes/proctoring/:id/record answered; - for standard input"
    )
    parser.add_argument("--public-key", type=_public_key, metavar="KEY", help="the key that has to have signed it")
    parser.set_defaults(offline=_verify)


def verify(text: bytes, public_key: str | None = None) -> str:
    """What was checked. `public_key`: in hex, of who has to have sealed it. Raises NoRecord and Broken."""
    record = _read(text)
    try:
        chain = _check_seals(record, public_key)
        _check_order(record["activities"], chain)
        erased = _check_activities(record["activities"], chain) + _check_rest(record)
    except (AttributeError, KeyError, TypeError, ValueError):  # somebody signed what is none
        raise Broken("Its seals are malformed.") from None
    seal, offsets = record["seals"][-1], [one["offset"] for one in chain]
    lines = [
        f"{len(offsets)} activities, offsets {offsets[0]} to {offsets[-1]}, are as they were sealed,",
        f"last at {seal['sealedAt']}, by the key {seal['publicKey']}, fingerprint {fingerprint(seal['publicKey'])}.",
    ]
    if erased:
        lines.append(f"Erased since, and so not shown: {', '.join(erased)}.")
    if public_key is None:
        lines.append("Whose key that is, the record cannot say: compare it with the server's, or give --public-key.")
    return "\n".join(lines)


def _read(text: bytes) -> Json:
    try:
        record = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NoRecord(f"it is no JSON: {error}") from None
    if not isinstance(record, dict) or record.get("format") != RECORD_FORMAT or record.keys() != _FIELDS:
        raise NoRecord(f"it has not the fields of a {RECORD_FORMAT}")
    if not all(_is_list_of_objects(record[name]) for name in ("activities", "seals")):
        raise NoRecord("its activities and seals are no lists of objects")
    if not isinstance(record["session"], dict):
        raise NoRecord("its session is no object")
    return record


def _check_seals(record: Json, public_key: str | None) -> list[Json]:
    """The offsets and links of all that is sealed, in order."""
    chain: list[Json] = []
    head = None
    for number, seal in enumerate(record["seals"], 1):
        if not is_signed(seal):
            raise Broken(f"Seal {number}: its signature is not right.")
        if public_key not in (None, seal["publicKey"]):
            raise Broken(f"Seal {number}: it is by another key, {seal['publicKey']}.")
        if (seal["number"], seal["previous"]) != (number, head):
            raise Broken(f"Seal {number}: it was left out, or moved.")
        if seal["session"]["id"] != record["session"].get("id"):
            raise Broken(f"Seal {number}: it is another session's.")
        if not _has_hash(seal["chain"], seal["chainHash"]) or (seal["detailsSalt"] and seal is not record["seals"][-1]):
            raise Broken(f"Seal {number}: its chain was changed.")
        chain += seal["chain"]
        head = seal["head"]
    if not chain:
        raise Broken("The record is not sealed yet.")
    return chain


def _check_order(activities: Sequence[Json], chain: Sequence[Json]) -> None:
    """That the activities are those which were sealed, each in its place."""
    sealed = [one["offset"] for one in chain]
    shown = [one.get("offset") for one in activities]
    for place, offset in enumerate(sealed):
        if place < len(shown) and shown[place] == offset:
            continue
        if offset not in shown[place:]:
            raise Broken(f"Offset {offset}: it was left out.")
        if shown[place] not in sealed[place:]:
            raise Broken(f"Offset {shown[place]}: it was added.")
        raise Broken(f"Offset {offset}: it was moved.")
    if len(shown) > len(sealed):
        raise Broken(f"Offset {shown[len(sealed)]}: it was added, or recorded after the seal; those before it hold.")


def _check_activities(activities: Sequence[Json], chain: Sequence[Json]) -> list[str]:
    """What was erased of them."""
    before, erased = START, []
    for activity, sealed in zip(activities, chain, strict=True):
        offset = sealed["offset"]
        if activity.get("data") is None and activity.get("salt") is None:
            erased.append(f"the data of offset {offset}")
        elif not _has_hash(activity.get("data"), activity.get("dataHash"), activity.get("salt")):
            raise Broken(f"Offset {offset}: its data was changed.")
        if not activity.get("link") == sealed["link"] == _link(before, activity):
            raise Broken(f"Offset {offset}: it was changed.")
        before = unhex(sealed["link"])
    return erased


def _check_rest(record: Json) -> list[str]:
    """What is beside the activities; what was erased of it."""
    seal = record["seals"][-1]
    session = dict(record["session"])
    details = {name: record[name] for name in ("exam", "user", "organisation")}
    details["timeLedger"] = session.pop("timeLedger", None)
    if session != seal["session"]:
        raise Broken("The session's state was changed, or it was reinstated since.")
    if verdict_of(record["activities"]) not in (None, record["verdict"]):
        raise Broken("The verdict was changed.")
    if counts_of(record["activities"]) != record["counts"]:
        raise Broken("The counts were changed.")
    if record["note"] is not None:
        raise Broken("The note was changed: all is sealed.")
    if seal["detailsSalt"] is None:
        return ["what was sealed of names, title and ledger"]
    if not _has_hash(details, seal["detailsHash"], seal["detailsSalt"]):
        raise Broken("The exam, the user, the organisation or the ledger was changed.")
    return []


def _has_hash(value: Any, wanted: object, salt: object = "") -> bool:
    try:
        return isinstance(salt, str) and hash_of(value, unhex(salt)) == wanted
    except ValueError:
        return False


def _link(before: bytes, activity: Json) -> str | None:
    try:
        return link_of(before, activity).hex()
    except ValueError:
        return None


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _once_each(pairs: list[tuple[str, Any]]) -> Json:
    """Readers differ in which of two fields of one name they take."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a field is there twice")
    return made


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _public_key(text: str) -> str:
    try:
        return read_key(text).hex()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _verify(arguments: argparse.Namespace) -> int:
    name = arguments.file
    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        found = verify(text, arguments.public_key)
    except (OSError, NoRecord) as error:
        sys.stderr.write(f"{name}: no record: {error.strerror if isinstance(error, OSError) else error}\n")
        return 2
    except Broken as error:
        sys.stderr.write(f"{name}: NOT as it was sealed. {error}\n")
        return 1
    sys.stdout.write(f"{name}: {found}\n")
    return 0
