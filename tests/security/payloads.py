"""A good payload of every event, from which the attacks make bad ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.clients import uuid


@dataclass
class Ids:
    """What a payload may name."""

    exam: str
    session: str
    command: str


Payload = Callable[[Ids], dict[str, Any]]

PAYLOADS: Final[dict[tuple[str, str], Payload]] = {
    ("/exam", "start"): lambda of: {"examId": of.exam},
    ("/exam", "heartbeat"): lambda _: {},
    ("/exam", "tab_change"): lambda _: {"seq": 1, "hidden": True},
    ("/exam", "chat"): lambda _: {"seq": 2, "text": "Hello"},
    ("/exam", "activity"): lambda _: {"seq": 3, "type": "copy"},
    ("/exam", "raise_hand"): lambda _: {"seq": 4, "text": "Paper, please"},
    ("/exam", "lower_hand"): lambda _: {"seq": 5},
    ("/exam", "replay"): lambda _: {"items": []},
    ("/exam", "command_ack"): lambda of: {"commandId": of.command},
    ("/exam", "end"): lambda _: {},
    ("/proctor", "join"): lambda of: {"examId": of.exam},
    ("/proctor", "chat"): lambda of: {"requestId": uuid(), "examId": of.exam, "text": "Hello"},
    ("/proctor", "command"): lambda of: {"requestId": uuid(), "examId": of.exam, "action": "warn", "text": "Hush"},
    ("/proctor", "lower_hand"): lambda of: {"requestId": uuid(), "sessionId": of.session},
    ("/proctor", "review"): lambda of: {"requestId": uuid(), "sessionId": of.session, "verdict": "CLEARED"},
    ("/proctor", "leave"): lambda of: {"examId": of.exam},
}
