"""What nodes tell each other: where there is something new. What it is, each reads in the database, which decides.

So a hint that is lost, doubled, late or made up does no harm but to be late: whoever follows hints also looks by
itself now and then, and at everything once the hints come again (`handlers/following.py`). A server that is alone tells
nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from bson import ObjectId

from models.periodic import cancel

logger = logging.getLogger(__name__)

# Whose ids a hint names; `heard`: which session was heard of, and when, as `id@milliseconds`; `gone`:
# which note on what was erased.
Kind: TypeAlias = Literal["logs", "sessions", "commands", "exams", "users", "tokens", "heard", "gone"]
Follower: TypeAlias = Callable[[list[str]], Awaitable[None]]
Message: TypeAlias = dict[str, list[str]]

_RETRY_S: Final = 0.5
_MOST: Final = 5000  # ids a message: some 150 KB


class Hints:
    """This node's, and what it does about those of others. `node_id`: of this process, until it ends."""

    def __init__(self) -> None:
        self.node_id = uuid4().hex[:16]
        self.shared = False  # whether there may be other nodes
        self.healthy = False  # whether hints come through just now, as far as can be told
        self.doubted = False  # whether whoever carries them should begin anew
        self._pending: dict[str, set[str]] = {}
        self._some = asyncio.Event()
        self._following: dict[str, _Following] = {}

    def follow(self, kind: Kind, follower: Follower) -> None:
        """Let `follower` see to what other nodes hint at; ids that come while it is at work are its next ones."""
        self._following[kind] = _Following(follower)

    def tell(self, kind: Kind, ids: Iterable[ObjectId | str]) -> None:
        """Hint at these, soon; nobody waits for it."""
        if self.shared:
            self._pending.setdefault(kind, set()).update(map(str, ids))
            self._some.set()

    async def take(self) -> Message:
        """What there is to tell, once there is something. Hints that gather meanwhile are one."""
        await self._some.wait()
        self._some.clear()
        taken: Message = {}
        for kind, ids in list(self._pending.items()):
            some = [ids.pop() for _ in range(min(len(ids), _MOST))]
            taken[kind] = some
            if ids:
                self._some.set()
            else:
                del self._pending[kind]
        return taken

    def untell(self, message: Message) -> None:
        """What could not be told is told later; but for who was heard of, since that passes."""
        for kind, ids in message.items():
            if kind != "heard":
                self._pending.setdefault(kind, set()).update(ids)
                self._some.set()

    def hear(self, message: Mapping[str, Any]) -> None:
        """Another node's message. What is no hint of ours, as of another version, is passed over."""
        for kind, ids in message.items():
            following = self._following.get(kind)
            if following is not None and isinstance(ids, list):
                following.add(one for one in ids if isinstance(one, str))

    async def close(self) -> None:
        following, self._following = self._following, {}
        await asyncio.gather(*(one.close() for one in following.values()))


class _Following:
    """One kind of hint: what is pending, and at most one piece of work at a time."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._pending: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, ids: Iterable[str]) -> None:
        self._pending.update(dict.fromkeys(ids))
        if self._pending and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        if self._task:
            await cancel(self._task)

    async def _work(self) -> None:
        while self._pending:
            ids, self._pending = list(self._pending), {}
            try:
                await self._follower(ids)
            except Exception as error:  # noqa: BLE001 it is seen to when the database is back
                logger.warning("hints of another node are followed later: %r", error)
                await asyncio.sleep(_RETRY_S)
                self._pending = dict.fromkeys(ids) | self._pending


def ids_of(hinted: Iterable[str]) -> list[ObjectId]:
    """The ids that a hint names."""
    return [ObjectId(one) for one in hinted if ObjectId.is_valid(one)]
