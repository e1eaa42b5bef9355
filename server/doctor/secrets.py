"""Secrets and passwords: whether they are long enough, and whether others on the machine can read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from server.doctor.findings import Finding, judged
from server.settings import Settings

_SECRET: Final = re.compile(r"^\s*(export\s+)?\w*(SECRET|SEAL_KEY|PASSWORD|_URL)", re.MULTILINE | re.IGNORECASE)
_SECRETS: Final = ("jwt_secret", "seal_key", "database_password", "database_url", "demo.json")


def check_secrets(settings: Settings) -> Iterator[Finding]:
    """Nothing is made here that is not there yet."""
    yield from (Finding("warn", "settings", text) for text in settings.warnings())
    yield _kept("JWT_SECRET", set_=settings.jwt_secret is not None)
    yield _kept(
        "SEAL_KEY",
        set_=settings.seal_key is not None,
        warn="each node makes its own, in its DATA_DIR: set one for all" if settings.database_url else None,
    )
    yield Finding(
        "ok", "passwords", f"PBKDF2 {settings.pbkdf2_digest}, {settings.pbkdf2_iterations} iterations for new ones"
    )
    yield from (_mode(path) for name in _SECRETS if (path := settings.data_dir / name).is_file())
    if (path := Path(".env")).is_file() and _SECRET.search(path.read_text(encoding="utf-8")):
        yield _mode(path)


def _kept(name: str, *, set_: bool, warn: str | None = None) -> Finding:
    return judged("secrets", f"{name} is set") if set_ else judged("secrets", f"{name} is in DATA_DIR", warn=warn)


def _mode(path: Path) -> Finding:
    mode = path.stat().st_mode & 0o777
    others = mode & 0o077
    return judged("file modes", f"{path} is {mode:04o}", fail=f"chmod 600 {path}" if others else None)
