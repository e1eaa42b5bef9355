"""The chain that makes a session's record stand as evidence: pure functions, shared by who seals and who verifies.

Hashes are SHA-256, in JSON as hex; canonical JSON is that of RFC 8785.

- `dataHash` = hash(salt, canonical data), with 16 random bytes of salt, so that a short text cannot be guessed from it.
  Without data and salt the chain still verifies: data can be erased.
- `link` = hash(the link before, canonical activity without `data`, `salt` and `link`); before the first are zeros.
- A seal says what was sealed, and is signed (Ed25519) over its canonical JSON without its UNSIGNED fields. `chain`, the
  offset and link of each activity, is covered by `chainHash`; by it a single one is told that was changed or left out.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Json = dict[str, Any]

RECORD_FORMAT: Final = "proctoring-record/1"
SEAL_FORMAT: Final = "proctoring-seal/1"
KEY_BYTES: Final = 32
HASH_BYTES: Final = 32
SALT_BYTES: Final = 16
START: Final = bytes(HASH_BYTES)
UNSIGNED: Final = frozenset({"signature", "chain", "detailsSalt"})

_NOT_LINKED: Final = frozenset({"data", "salt", "link"})


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def hash_of(value: Any, salt: bytes = b"") -> str:
    """The hash of a JSON value; ValueError for what is none."""
    return hashlib.sha256(salt + rfc8785.dumps(value)).hexdigest()


def link_of(before: bytes, activity: Mapping[str, Any]) -> bytes:
    """The link of an activity that has its `dataHash`; ValueError for what is no JSON."""
    fields = {name: value for name, value in activity.items() if name not in _NOT_LINKED}
    return hashlib.sha256(before + rfc8785.dumps(fields)).digest()


def chain_of(offsets: Iterable[int], links: Iterable[bytes]) -> list[Json]:
    """A seal's `chain`."""
    return [{"offset": offset, "link": link.hex()} for offset, link in zip(offsets, links, strict=True)]


def public_key_of(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def sign(key: Ed25519PrivateKey, seal: Mapping[str, Any]) -> str:
    return key.sign(_statement(seal)).hex()


def is_signed(seal: Mapping[str, Any]) -> bool:
    """Whether the seal's signature is that of the key which it names."""
    try:
        public_key = Ed25519PublicKey.from_public_bytes(unhex(seal["publicKey"]))
        public_key.verify(unhex(seal["signature"]), _statement(seal))
    except (InvalidSignature, KeyError, TypeError, ValueError):
        return False
    return True


def fingerprint(public_key: str) -> str:
    """A public key for people to compare: 32 hex digits of its hash, in groups."""
    digits = hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:32]
    return "-".join(digits[first : first + 4] for first in range(0, len(digits), 4))


def unhex(text: str) -> bytes:
    """From hex as it is written here, in lower case and without blanks; ValueError for all else."""
    value = bytes.fromhex(text)
    if value.hex() != text:
        raise ValueError("not in lower case, or with blanks")
    return value


def read_key(text: str) -> bytes:
    """The 32 bytes of a key from hex or base64; ValueError for all else."""
    text = text.strip()
    try:
        if len(text) == 2 * KEY_BYTES:
            return bytes.fromhex(text)
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"{KEY_BYTES} bytes as hex or base64 are wanted")
    return key


def _statement(seal: Mapping[str, Any]) -> bytes:
    return rfc8785.dumps({name: value for name, value in seal.items() if name not in UNSIGNED})
