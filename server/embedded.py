"""The embedded database: SecantusDB, a MongoDB-compatible server, as a child process in `DATA_DIR`.

It is never imported (its licence is GPL-2.0-only) and always synced on commit: without that, a kill under load loses
what it had acknowledged. Who else is on the machine cannot read it: it asks for a password, which is made once and kept
in `DATA_DIR`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from models.database import Health, health, provide_user
from models.periodic import Periodic, cancel
from server.settings import SettingsError, keep_secret

logger = logging.getLogger(__name__)

_USER: Final = "proctoring"
_PROGRAM: Final = "secantusd-py"
_START_S: Final = 30.0
_RESTART_S: Final = 0.5
_STOP_S: Final = 10.0
_LOOK_S: Final = 5.0
_ENOUGH: Final[dict[Health, int]] = {"broken": 3, "silent": 12}  # looks in a row
_PR_SET_PDEATHSIG: Final = 1


class EmbeddedDatabase:
    """One database process for one DATA_DIR; started again whenever it dies.

    `secured`: it asks for a password; without, it is for measurements, whose peers bring none.
    """

    def __init__(self, data_dir: Path, *, secured: bool = True) -> None:
        self._data_dir = data_dir
        self._secured = secured
        self._lock: IO[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._looking: Periodic | None = None
        self._seen: tuple[Health, int] = ("answers", 0)  # in how many looks in a row
        self._answered = False  # the process that there is now
        self._port = 0

    @property
    def url(self) -> str:
        if not self._secured:
            return f"mongodb://127.0.0.1:{self._port}/proctoring"
        return f"mongodb://{_USER}:{self._password()}@127.0.0.1:{self._port}/proctoring?authSource=admin"

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start it and wait until it listens. SettingsError where that cannot be."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._data_dir)
        if self._secured and not self._provided.exists():
            await self._begin(asking=False)
            await provide_user(f"mongodb://127.0.0.1:{self._port}", _USER, self._password())
            await self._end(signal.SIGKILL)  # what it has answered is synced, and an orderly end takes two seconds
            self._provided.touch()
        await self._begin(asking=self._secured)
        url = self._data_dir / "database_url"
        url.touch(mode=0o600)
        url.chmod(0o600)
        url.write_text(self.url, encoding="utf-8")
        self._supervisor = asyncio.create_task(self._supervise())
        self._looking = Periodic(_LOOK_S, self._look, "looking after the embedded database")
        self._looking.open()

    async def _begin(self, *, asking: bool) -> None:
        """Have it listen; `asking` for the password."""
        deadline = asyncio.get_running_loop().time() + _START_S
        while True:
            self._port = _free_port()
            await self._spawn(asking=asking)
            if await self._listens(deadline):
                break
            if asyncio.get_running_loop().time() > deadline:
                await self.stop()
                raise SettingsError(f"DATA_DIR: the embedded database does not start; see {self._log}")
            await asyncio.sleep(_RESTART_S)  # one that was killed may still hold the folder

    async def stop(self) -> None:
        if self._looking:
            await self._looking.close()
        if self._supervisor:
            await cancel(self._supervisor)
        await self._end()
        if self._lock:  # else the folder is another server's
            (self._data_dir / "database_url").unlink(missing_ok=True)
            self._lock.close()

    async def _end(self, number: int = signal.SIGTERM) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(number)
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    def _password(self) -> str:
        return keep_secret(self._data_dir / "database_password", secrets.token_hex(32))

    @property
    def _provided(self) -> Path:
        """There once the database knows the password."""
        return self._data_dir / "database_user"

    @property
    def _log(self) -> Path:
        return self._data_dir / "database.log"

    async def _spawn(self, *, asking: bool) -> None:
        program = Path(sys.executable).with_name(_PROGRAM)
        found = str(program) if program.exists() else shutil.which(_PROGRAM)
        if found is None:
            raise SettingsError("DATABASE_URL: not set, and the extra `embedded` (SecantusDB) is not installed")
        config = self._data_dir / "secantusd.toml"  # named, or it would take one from the working folder
        config.touch()
        arguments = ["--config", str(config), "--host", "127.0.0.1", "--port", str(self._port)]
        arguments += ["--storage-path", str(self._data_dir / "database"), "--log-level", "WARNING"]
        # --standalone: without the log of operations that replication wants, an insert costs a third less.
        arguments += ["--sync-on-commit", "--standalone", *(["--auth"] if asking else [])]
        self._answered = False
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                found,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C ends the server, which then ends its database
                preexec_fn=dies_with_parent(),
            )

    async def _listens(self, deadline: float) -> bool:
        """Whether it takes connections before it ends and before the deadline."""
        if self._process is None:
            return False
        while self._process.returncode is None and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return True
            await asyncio.sleep(0.05)
        return False

    async def _supervise(self) -> None:
        while self._process:
            status = await self._process.wait()
            logger.error("the embedded database ended with status %s; starting it again", status)
            await asyncio.sleep(_RESTART_S)
            await self._spawn(asking=self._secured)

    async def _look(self) -> None:
        """End a process that is there and works no more; a new one recovers what is on the disk.

        One that has not answered yet may still be at that, which takes as long as it takes.
        """
        found, (before, times) = await health(self.url), self._seen
        times = times + 1 if found == before else 1
        self._answered = self._answered or found == "answers"
        enough = _ENOUGH.get(found) if self._answered or found == "broken" else None
        if enough and times >= enough and self._process and self._process.returncode is None:
            logger.error("the embedded database is %s, and is ended", found)
            self._process.kill()
            times = 0
        self._seen = found, times


def running_url(data_dir: Path) -> str | None:
    """The embedded database of a server that runs on `data_dir`; None where none does."""
    try:
        _lock(data_dir).close()
    except SettingsError:
        with contextlib.suppress(OSError):
            return (data_dir / "database_url").read_text(encoding="utf-8").strip() or None
    return None


def _lock(data_dir: Path) -> IO[str]:
    """Take the folder; the kernel gives it back when the process ends, however it ends."""
    data_dir.mkdir(parents=True, exist_ok=True)
    file = (data_dir / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise SettingsError(f"DATA_DIR: another server is running on {data_dir}") from None
    return file


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def dies_with_parent() -> Callable[[], None] | None:
    """What makes a child die with this process, also by SIGKILL; Linux ties it to the thread that spawns it."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it had died before the line above
            os._exit(1)

    return prepare
