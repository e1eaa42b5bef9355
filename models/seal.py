"""One seal: how it is made of records, how it is stored, and how a record shows it."""

from __future__ import annotations

from array import array
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.activity import view as activity_view
from models.chain import (
    HASH_BYTES,
    SALT_BYTES,
    SEAL_FORMAT,
    START,
    Json,
    chain_of,
    hash_of,
    link_of,
    new_salt,
    public_key_of,
    sign,
)
from models.database import Stored
from models.fields import format_instant, now, to_json

ERASED: Final = bytes(SALT_BYTES)  # in the place of a salt that was erased with its data


def make_seal(
    key: Ed25519PrivateKey, session: Stored, before: list[Stored], records: list[Stored], details: Json
) -> Stored:
    """The seal after those `before` it, of the records that come next."""
    link = before[-1]["links"][-HASH_BYTES:] if before else START
    salts, hashes, links = [], [], []
    for record in records:
        activity, salt = plain(activity_view(record)), new_salt()
        activity["dataHash"] = hash_of(activity["data"], salt)
        link = link_of(link, activity)
        salts.append(salt)
        hashes.append(bytes.fromhex(activity["dataHash"]))
        links.append(link)
    number, details_salt = len(before) + 1, new_salt()
    offsets = [record["offset"] for record in records]
    signed = {
        "format": SEAL_FORMAT,
        "number": number,
        "previous": before[-1]["signed"]["head"] if before else None,
        "sealedAt": format_instant(now()),
        "session": state_of(session),
        "detailsHash": hash_of(details, details_salt),
        "count": len(records),
        "firstOffset": offsets[0],
        "lastOffset": offsets[-1],
        "head": link.hex(),
        "chainHash": hash_of(chain_of(offsets, links)),
        "publicKey": public_key_of(key),
    }
    return {
        "_id": f"{session['_id']}:{number}",
        "sessionId": session["_id"],
        "examId": session["examId"],
        "signed": signed,
        "signature": sign(key, signed),
        "details": details,
        "detailsSalt": details_salt,
        # As bytes: the embedded database reads them six times as fast as lists.
        "offsets": array("I", offsets).tobytes(),
        "salts": b"".join(salts),
        "dataHashes": b"".join(hashes),
        "links": b"".join(links),
    }


def plain(value: Any) -> Json:
    """As it is in JSON, with ids and times as texts."""
    made: Json = orjson.loads(to_json(value))
    return made


def state_of(session: Stored) -> Json:
    """What a seal says of the session, and who read it may see for good."""
    names = ("examId", "userId", "organisationId", "status", "startTime", "activatedAt", "endTime")
    return plain({"id": session["_id"]} | {name: session[name] for name in names})


def seal_view(seal: Stored, *, last: bool) -> Json:
    """A seal as a record has it, which shows the details of the last one."""
    salt = seal["detailsSalt"] if last else None
    chain = chain_of(array("I", seal["offsets"]), _split(seal["links"], HASH_BYTES))
    signature = {"detailsSalt": salt and salt.hex(), "chain": chain, "signature": seal["signature"]}
    return dict(seal["signed"]) | signature


def sealed_fields(seal: Stored) -> list[tuple[int, Json]]:
    """Of each activity of a seal its offset, and `salt` (null where its data was erased), `dataHash`, `link`."""
    salts = _split(seal["salts"], SALT_BYTES)
    hashes, links = _split(seal["dataHashes"], HASH_BYTES), _split(seal["links"], HASH_BYTES)
    return [
        (offset, {"salt": None if salt == ERASED else salt.hex(), "dataHash": one.hex(), "link": link.hex()})
        for offset, salt, one, link in zip(array("I", seal["offsets"]), salts, hashes, links, strict=True)
    ]


def _split(joined: bytes, size: int) -> list[bytes]:
    return [joined[first : first + size] for first in range(0, len(joined), size)]
