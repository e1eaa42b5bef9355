"""Passwords: PBKDF2 with a salt each, computed off the event loop in few threads.

An OWASP-strength hash is a tenth of a second of CPU; more threads than cores would only make all of them late.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

_THREADS: Final = 2


class Passwords:
    """Hashes with the settings of today; verifies with those that each hash was made with."""

    def __init__(self, iterations: int, keylen: int, digest: str) -> None:
        self._iterations, self._keylen, self._digest = iterations, keylen, digest
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pbkdf2")
        # Verified against when the account is unknown, so that the answer takes as long as for a known one.
        self._nobody = self._parameters() | {"password": "00" * keylen}

    async def hash(self, password: str) -> dict[str, Any]:
        """The fields to store: `password` (hex), `salt` (hex), `iterations`, `keylen`, `digest`."""
        fields = self._parameters()
        return fields | {"password": (await self._derive(password, fields)).hex()}

    async def verify(self, password: str, stored: dict[str, Any] | None) -> bool:
        """Whether `password` is the stored one's; takes as long where `stored` is None."""
        fields = stored or self._nobody
        derived = await self._derive(password, fields)
        return hmac.compare_digest(derived, bytes.fromhex(fields["password"])) and stored is not None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _parameters(self) -> dict[str, Any]:
        return {
            "salt": secrets.token_hex(16),
            "iterations": self._iterations,
            "keylen": self._keylen,
            "digest": self._digest,
        }

    async def _derive(self, password: str, fields: dict[str, Any]) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads,
            hashlib.pbkdf2_hmac,
            fields["digest"],
            password.encode(),
            bytes.fromhex(fields["salt"]),
            fields["iterations"],
            fields["keylen"],
        )
