"""The end of the process, whatever hangs: whoever stops it would kill it after half a minute, and nobody knew why."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import sys
from typing import Any, Final, NoReturn

logger = logging.getLogger(__name__)

END_S: Final = 29.0  # from the signal on; whoever gives it waits 30 s or more
_TELL_S: Final = 1.0  # before
_MOST: Final = 50  # tasks


def end_within(seconds: float = END_S) -> None:
    """Have the process end by then, with status 1 and a word on where it hangs. What is acked is stored anyway."""
    faulthandler.dump_traceback_later(seconds, exit=True)  # where the loop itself hangs, or a thread at the very end
    asyncio.get_running_loop().call_later(seconds - _TELL_S, _tell)


def leave(status: int) -> NoReturn:
    """End the process now that all is done. The interpreter would wait for threads of the database's driver, and these
    for a database that has gone silent: two minutes where that is what something long may take.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(status)


def _tell() -> None:
    for task in list(asyncio.all_tasks())[:_MOST]:
        logger.error("the server does not end: %s waits at %s", task.get_name(), " < ".join(_places(task.get_coro())))


def _places(coroutine: Any) -> list[str]:
    """Where a coroutine waits, the innermost first."""
    places: list[str] = []
    while frame := getattr(coroutine, "cr_frame", None):
        places.insert(0, f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        coroutine = coroutine.cr_await
    return places
