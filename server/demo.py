"""Demo accounts for a first try: one organisation, an account of each role, an exam. Kept in DATA_DIR."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from bson import ObjectId

from models.actors import Role
from models.database import Stored
from models.errors import NotFound
from models.store import Store
from server.settings import Settings

_PEOPLE = (
    (Role.SALES, "Sam Sales", "sales@demo.example"),
    (Role.ADMIN, "Ada Admin", "admin@demo.example"),
    (Role.PROCTOR, "Pia Proctor", "proctor@demo.example"),
    (Role.STUDENT, "Stu Student", "student@demo.example"),
    (Role.STUDENT, "Tess Student", "student2@demo.example"),
)
_EXAM_MINUTES = 60


def demo_file(settings: Settings) -> Path:
    return settings.data_dir / "demo.json"


def may_have_demo(settings: Settings) -> bool:
    """Accounts whose passwords lie in a file are for this machine alone."""
    return settings.on_loopback and settings.database_url is None


async def ensure_demo(settings: Settings, store: Store, url: str, ws_url: str) -> dict[str, Any]:
    """The demo's accounts and exam, made where they are not there; written to DATA_DIR for `rehearse`."""
    path = demo_file(settings)
    demo: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    passwords = {account["email"]: account["password"] for account in demo.get("accounts", [])}
    admin = await store.users.by_email(_PEOPLE[1][2])
    organisation_id = admin["organisationId"] if admin else None
    if organisation_id is None:
        made = await store.organisations.create(ObjectId(), "Demo organisation", self_registration=True)
        organisation_id = made["_id"]
    users = [await _ensure_user(store, organisation_id, *person, passwords) for person in _PEOPLE]
    try:
        exam = await store.exams.by_id(ObjectId(demo["examId"]))
    except (KeyError, NotFound):
        exam = await _make_exam(store, organisation_id, users)
    accounts = [{"role": role.value, "email": email, "password": passwords[email]} for role, _, email in _PEOPLE]
    demo = {"url": url, "wsUrl": ws_url, "organisationId": str(organisation_id), "examId": str(exam["_id"])}
    demo["accounts"] = accounts
    path.touch(mode=0o600)
    path.write_text(json.dumps(demo, indent=2), encoding="utf-8")
    return demo


async def _ensure_user(
    store: Store, organisation_id: ObjectId, role: Role, name: str, email: str, passwords: dict[str, str]
) -> Stored:
    """The account, with the password in `passwords`; with a new one where that is not known (any more)."""
    user = await store.users.by_email(email)
    if user and email in passwords and await store.users.verify_password(user, passwords[email]):
        return user
    passwords[email] = secrets.token_urlsafe(9)
    if user:
        return (await store.users.update(user, {}, passwords[email]))[0]
    of = None if role is Role.SALES else organisation_id
    return await store.users.create(ObjectId(), name, email, passwords[email], role, of)


async def _make_exam(store: Store, organisation_id: ObjectId, users: list[Stored]) -> Stored:
    assigned = [user["_id"] for user in users if user["role"] in (Role.PROCTOR, Role.STUDENT)]
    fields = {
        "title": "Demo exam",
        "duration": _EXAM_MINUTES,
        "users": assigned,
        "startsAt": None,
        "endsAt": None,
        "rehearsal": False,
    }
    return await store.exams.create(ObjectId(), organisation_id, fields)
