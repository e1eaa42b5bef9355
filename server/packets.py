"""Socket.IO's packets and JSON: what python-socketio has, with the common case short."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson
import socketio

from models.fields import to_json

# An event or an ack of a named namespace, without attachments: nearly every packet that comes.
_EVENT: Final = re.compile(r"([23])(/[^,?]*),(\d{1,15})?(\[.*)", re.DOTALL)


class Json:
    """The `json` that python-socketio asks for: orjson, with ids and times as the contract has them.

    orjson also refuses what the standard library lets through: NaN, lone surrogates, numbers without bound.
    """

    JSONDecodeError = json.JSONDecodeError

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        return to_json(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        return orjson.loads(text)


class TextPacket(socketio.packet.Packet):  # type: ignore[misc] # python-socketio ships no types
    """A packet whose own data is never searched for bytes: we send none. Events are taken apart in one match."""

    uses_binary_events = False

    def decode(self, encoded_packet: str) -> int | None:
        event = _EVENT.fullmatch(encoded_packet) if isinstance(encoded_packet, str) else None
        if event is None:
            count: int | None = super().decode(encoded_packet)
            return count
        kind, self.namespace, number, data = event.groups()
        self.packet_type = int(kind)
        self.id = int(number) if number else None
        self.data = orjson.loads(data)
        return None


def encoded(packet: socketio.packet.Packet) -> list[str | bytes]:
    """The messages that carry a packet: one, and one more for each attachment."""
    messages = packet.encode()
    return messages if isinstance(messages, list) else [messages]
