"""Who is in which room, and one message to all of a room.

python-socketio keeps a two-way map a room and a room of its own a client, searches all rooms whenever a client goes,
and sends to a room by one task a recipient. Here a client's rooms are known by client, its own room is not kept, and a
message is encoded once, framed once, and handed to each recipient's connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import socketio

from server.packets import encoded


class Rooms(socketio.AsyncManager):  # type: ignore[misc] # python-socketio ships no types
    """`rooms[namespace][room]` maps a client's `sid` to its connection's, as in the library."""

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[str, list[str]] = {}

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        if room is None:
            super().basic_enter_room(sid, namespace, None, eio_sid=eio_sid)
        elif room != sid:
            if self.is_sid_room(namespace, room):
                raise ValueError("cannot enter a sid room")
            members = self.rooms[namespace].setdefault(room, {})
            if sid not in members:
                members[sid] = self.rooms[namespace][None][sid]
                self._of.setdefault(sid, []).append(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        if room is not None and room in self._of.get(sid, ()):
            self._of[sid].remove(room)
        super().basic_leave_room(sid, namespace, room)

    def basic_disconnect(self, sid: str, namespace: str, **_: Any) -> None:
        for room in [*self._of.pop(sid, ()), None]:
            super().basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        return [sid, *self._of.get(sid, ())] if self.eio_sid_from_sid(sid, namespace) else []

    def get_participants(self, namespace: str, room: str | None) -> Iterator[tuple[str, str]]:
        rooms = self.rooms.get(namespace, {})
        if room in rooms:
            return iter(list(rooms[room].items()))
        own = rooms.get(None, {}).get(room)
        return iter([(room, own)] if room is not None and own else [])

    async def emit(
        self,
        event: str,
        data: object,
        namespace: str,
        room: str | None = None,
        skip_sid: str | None = None,
        callback: Any = None,
        to: str | None = None,
        **_: Any,
    ) -> None:
        """Send `data` to a room. It is handed to every connection before this returns, and never waits for one."""
        if callback is not None:
            raise NotImplementedError("a push asks for no ack: python-socketio loses those of id 0")
        arguments = data if isinstance(data, tuple) else () if data is None else (data,)
        packet = self.server.packet_class(socketio.packet.EVENT, namespace=namespace, data=[event, *arguments])
        to_whom = [eio_sid for sid, eio_sid in self.get_participants(namespace, to or room) if sid != skip_sid]
        for message in encoded(packet):
            self.server.eio.publish(to_whom, message)
