"""Socket.IO's packets and JSON: what python-socketio has, with the common case short."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson
import socketio
from socketio.packet import ACK

from models.fields import to_json

# An event of a named namespace, without attachments: nearly every packet that comes.
_EVENT: Final = re.compile(r"2(/[^,?]*),(\d{1,15})?(\[.*)", re.DOTALL)


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
    """A packet whose own data is never searched for bytes: we send none."""

    uses_binary_events = False


def event_of(message: str) -> tuple[str, int | None, list[Any]] | None:
    """Namespace, number and data of an event of a named namespace; None for what only the library takes apart."""
    event = _EVENT.fullmatch(message)
    if event is None:
        return None
    namespace, number, data = event.groups()
    return namespace, int(number) if number else None, orjson.loads(data)


def ack(namespace: str, number: int, answer: object) -> str:
    """The packet that answers the event of this number."""
    where = "" if namespace == "/" else f"{namespace},"
    return f"{ACK}{where}{number}[{Json.dumps(answer)}]"


def encoded(packet: socketio.packet.Packet) -> list[str | bytes]:
    """The messages that carry a packet: one, and one more for each attachment."""
    messages = packet.encode()
    return messages if isinstance(messages, list) else [messages]
