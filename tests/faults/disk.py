"""A small disk of the database's own: a tmpfs, which only root can mount."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

_SIZE: Final = "512m"
_MOST_BATCHES: Final = 400


class Disk:
    """`with` it the folder is a disk of half a gigabyte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def __enter__(self) -> Disk:
        self.folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(self.folder)], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)

    def fill(self) -> None:
        """Leave no room."""
        there = os.statvfs(self.folder)
        descriptor = os.open(self._filler, os.O_CREAT | os.O_WRONLY)
        try:
            os.posix_fallocate(descriptor, 0, there.f_bavail * there.f_frsize)
        finally:
            os.close(descriptor)

    def free(self) -> None:
        self._filler.unlink()


async def fill_up(disk: Disk, database_url: str) -> None:
    """Fill the disk, and what the database has beforehand: a journal of some 10 MB, more than a small exam writes."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(database_url, timeoutMS=5000)
    filler = client.get_default_database()["filler"]
    try:
        await filler.insert_one({})  # making a collection is refused sooner than writing to one
        disk.fill()
        for documents in (200, 1):  # where no more batch fits, a single one may
            for _ in range(_MOST_BATCHES):
                try:
                    await filler.insert_many([{"of": os.urandom(2000)} for _ in range(documents)])
                except PyMongoError:
                    break
            else:
                raise AssertionError("the disk is full, and the database goes on writing")
    finally:
        await client.close()


@functools.cache
def may_mount() -> bool:
    """Whether a tmpfs can be mounted here."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=False, capture_output=True)
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return mounted.returncode == 0
