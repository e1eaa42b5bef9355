"""Tokens that nobody issued, or no longer; and the ids of others with a token that holds."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from tests.clients import uuid
from tests.frames import opened
from tests.security.attack import Attack, Outcome, Size, Target, ask, call
from tests.security.world import Account, World

_OTHER: Final = "a secret of somebody else, of 32 bytes and more"
_REFUSED: Final = frozenset({"unauthorized"})
_HIDDEN: Final = frozenset({"not_found", "forbidden", "invalid_payload", "conflict", "method_not_allowed"})


async def forged(target: Target, size: Size) -> Outcome:
    """Every kind of token that does not hold, over REST and at both namespaces."""
    outcome = Outcome()
    async with target.session() as http:
        for account, namespace in ((target.world.insiders[0], "/exam"), (target.world.school.admin, "/proctor")):
            for what, token in _tokens(account):
                status, body = await call(http, target, token, "GET", "/routes/auth/me")
                if outcome.answered(f"a token with {what}", status, body) not in _REFUSED:
                    outcome.wrong.append(f"REST takes a token with {what}: {status}")
                async with opened(http, target.ws_url) as frames:
                    answer = await frames.connect(namespace, {"token": token})
                code = "ok" if "sid" in answer else str(answer["data"]["code"])
                outcome.note(code)
                if code not in _REFUSED:
                    outcome.wrong.append(f"{namespace} takes a token with {what}: {code}")
    return outcome


def _tokens(account: Account) -> Iterator[tuple[str, Any]]:
    """What is wrong with it, and the token; all but for that they are like the account's own."""
    claims = jwt.decode(account.token, options={"verify_signature": False})
    head, body, signature = account.token.split(".")
    now = datetime.now(UTC)
    yield "another secret", jwt.encode(claims, _OTHER, "HS256")
    yield "an empty secret's signature", f"{head}.{body}.{_b64(b'')}"
    yield "another signature", f"{head}.{body}.{signature[::-1]}"
    yield "no signature", f"{head}.{body}."
    yield "two parts", f"{head}.{body}"
    for name in ("none", "None", "NONE", "nOnE"):
        yield f"the algorithm {name}", f"{_part({'alg': name, 'typ': 'JWT'})}.{body}."
        yield f"the algorithm {name} and a signature", f"{_part({'alg': name})}.{body}.{signature}"
    for algorithm in ("HS384", "HS512"):
        yield f"the algorithm {algorithm}", jwt.encode(claims, _OTHER * 2, algorithm)
        yield f"the algorithm {algorithm} named alone", f"{_part({'alg': algorithm})}.{body}.{signature}"
    yield "a key of its own", f"{_part({'alg': 'HS256', 'jwk': {'kty': 'oct', 'k': 'eA'}})}.{body}.{signature}"
    yield "a key from elsewhere", f"{_part({'alg': 'HS256', 'jku': 'http://127.0.0.1:1/'})}.{body}.{signature}"
    yield "a key's id that is a path", f"{_part({'alg': 'HS256', 'kid': '../../dev/null'})}.{body}.{signature}"
    for name, value in {"sub": "0" * 24, "role": "ADMIN", "exp": 1 << 40, "jti": uuid()}.items():
        yield f"another {name}", f"{head}.{_part(claims | {name: value})}.{signature}"
    yield "expired long ago", jwt.encode(claims | {"exp": now - timedelta(days=1)}, _OTHER, "HS256")
    yield "text that is none", "token"
    yield "nothing", ""
    yield "dots", "." * 1000
    yield "a hundred kilobytes less", "a" * 7000


def signed_wrongly(account: Account, secret: str) -> Iterator[tuple[str, str]]:
    """What only who has the server's secret can make, and does not hold all the same."""
    claims = jwt.decode(account.token, options={"verify_signature": False})
    now = datetime.now(UTC).timestamp()
    changes: dict[str, dict[str, Any]] = {
        "expired": {"exp": now - 5},
        "of another audience": {"aud": "proctoring-device"},
        "of several audiences, none ours": {"aud": ["a", "b"]},
        "of another issuer": {"iss": "somebody"},
        "of a role that the user has not": {"role": "SALES"},
        "of nobody": {"sub": "0" * 24},
        "of an operator for a subject": {"sub": '{"$ne": null}'},
        "of long before its user's tokens held": {"iat": 1},
        "from the future": {"iat": now + 3600},
        "valid later": {"nbf": now + 3600},
        "without an end": {"exp": None},
        "with an end that is no number": {"exp": "never"},
        "with an id that is an operator": {"jti": {"$ne": None}},
    }
    for what, change in changes.items():
        kept = {name: value for name, value in (claims | change).items() if value is not None or name == "org"}
        yield what, jwt.encode(kept, secret, "HS256")
    for name in ("sub", "role", "jti", "iat", "exp", "iss", "aud"):
        yield f"without {name}", jwt.encode({key: claims[key] for key in claims if key != name}, secret, "HS256")


async def ids_of_others(target: Target, size: Size) -> Outcome:
    """Every route that has an id in its path, and every event that takes one, with ids of another organisation, and
    for a student with those of another student.
    """
    outcome, world = Outcome(), target.world
    school, student = world.school, world.take(1)[0]
    college = world.college
    foreign = [college.id, college.exam_id, college.session_id, college.admin.id, college.proctor.id]
    people = {"ADMIN": school.admin, "PROCTOR": school.proctor, "STUDENT": student}
    async with target.session() as http:
        _, contract = await call(http, target, None, "GET", "/openapi.json")
        for role, account in people.items():
            theirs = [*foreign, school.session_id, world.honest[0].id] if role == "STUDENT" else foreign
            for path, item in contract["paths"].items():
                for method in item if "{" in path else ():
                    for one in theirs:
                        where = path.partition("{")[0] + one + path.partition("}")[2]
                        body = {} if method in ("put", "post") else None
                        status, answer = await call(http, target, account, method.upper(), where, json=body)
                        code = outcome.answered(f"{role}: {method} {where}", status, answer)
                        if code not in _HIDDEN:
                            outcome.wrong.append(f"{role} {method} {path} of others: {status} {code}")
        for session_id in (college.session_id, school.session_id):
            for event in ("tab-change", "heartbeat"):
                where, sent = f"/routes/proctoring/{event}", {"sessionId": session_id}
                status, answer = await call(http, target, student, "POST", where, json=sent)
                if outcome.answered(where, status, answer) not in _HIDDEN:
                    outcome.wrong.append(f"a student reports to the session of another: {status}")
        for namespace, account in (("/exam", student), ("/proctor", school.proctor)):
            async with opened(http, target.ws_url) as frames:
                await frames.connect(namespace, {"token": account.token})
                for number, (event, payload) in enumerate(_foreign_events(namespace, world), 1):
                    ack = await ask(frames, namespace, number, event, payload)
                    if outcome.acked(f"{event} {payload}", ack) not in _HIDDEN:
                        outcome.wrong.append(f"{namespace} {event} {payload} of others: {ack}")
    return outcome


def _foreign_events(namespace: str, world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    exam, session = world.college.exam_id, world.college.session_id
    if namespace == "/exam":
        yield "start", {"examId": exam}
        yield "start", {"examId": world.crowd.exam_id}
        yield "command_ack", {"commandId": session}
        return
    warning = {"action": "warn", "text": "Hello"}
    yield "join", {"examId": exam}
    yield "chat", {"requestId": uuid(), "examId": exam, "text": "Hello"}
    yield "chat", {"requestId": uuid(), "examId": world.school.exam_id, "sessionId": session, "text": "Hello"}
    yield "command", {"requestId": uuid(), "examId": exam} | warning
    yield "command", {"requestId": uuid(), "examId": world.school.exam_id, "sessionId": session} | warning
    yield "lower_hand", {"requestId": uuid(), "sessionId": session}
    yield "review", {"requestId": uuid(), "sessionId": session, "verdict": "CLEARED"}


def _part(value: object) -> str:
    return _b64(json.dumps(value).encode())


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


TOKENS = [
    Attack("forged tokens", forged, Size(1), Size(1)),
    Attack("ids of others", ids_of_others, Size(1), Size(1)),
]
