"""This machine: files, memory, disk, what it listens on, and the pages."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from server.doctor.findings import Finding, judged
from server.pages import has_pages
from server.settings import Settings

_MB: Final = 1024**2
_OTHER_FILES: Final = 200  # beside connections
_BASE_MB: Final = 150
_CONNECTION_KB: Final = 40  # with room for what waits to be sent
_DISK_MB: Final = 100
_DISK_LOW_MB: Final = 1000


def check_machine(settings: Settings, connections: int) -> Iterator[Finding]:
    """`connections`: how many this node is to hold."""
    yield _files(connections)
    yield _memory(connections)
    yield from _disk(settings)
    yield _listening(settings)
    yield judged(
        "pages",
        "/console, /exam and /docs are built" if has_pages() else "/console, /exam and /docs are not built",
        warn=None if has_pages() else "with Node.js, npm --prefix web ci, npm --prefix web run build",
    )


def _files(connections: int) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    fail = f"{connections} connections want {wanted}; ulimit -n, systemd's LimitNOFILE" if soft < wanted else None
    return judged("open files", f"{soft} in this shell, at most {hard}", fail=fail)


def _memory(connections: int) -> Finding:
    free, wanted = _free_memory_mb(), _BASE_MB + connections * _CONNECTION_KB // 1024
    if free is None:
        return Finding("ok", "memory", "not known on this system")
    warn = f"{connections} connections want some {wanted} MB" if free < wanted else None
    return judged("memory", f"{free} MB are free", warn=warn)


def _free_memory_mb() -> int | None:
    """What is free on the machine, or in the container where that is less."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        (free,) = (int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError):
        return None
    try:
        most, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text("ascii").strip() for name in ("max", "current"))
        return min(free, (int(most) - int(used)) // _MB)
    except (OSError, ValueError):  # there is no limit
        return free


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // _MB
    yield judged(
        "disk",
        f"{free} MB are free in {settings.data_dir}",
        warn="logs and the embedded database grow" if free < _DISK_LOW_MB else None,
        fail="make room" if free < _DISK_MB else None,
    )
    if not os.access(folder, os.W_OK):
        yield Finding("fail", "disk", f"{folder} cannot be written by this user: chown it, or set DATA_DIR")


def _listening(settings: Settings) -> Finding:
    proxied = bool(settings.trusted_proxies)
    warn = None
    if not settings.on_loopback and not proxied:
        warn = "put TLS in front, and name the proxy in TRUSTED_PROXIES: passwords and tokens must not go in the clear"
    elif settings.on_loopback and not proxied and settings.database_url:
        warn = "name the proxy in TRUSTED_PROXIES, or all the world is one address to the limits"
    return judged("listening", f"HOST is {settings.host}, {len(settings.trusted_proxies)} trusted proxies", warn=warn)
