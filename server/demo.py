"""Demo accounts for a first try: one organisation, an account of each role, an exam. Kept in DATA_DIR."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from bson import ObjectId

from models.actors import Role
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
    try:
        await store.exams.by_id(ObjectId(demo["examId"]))
    except (KeyError, NotFound):
        demo = await _make(store)
    demo |= {"url": url, "wsUrl": ws_url}
    path.touch(mode=0o600)
    path.write_text(json.dumps(demo, indent=2), encoding="utf-8")
    return demo


async def _make(store: Store) -> dict[str, Any]:
    organisation = await store.organisations.create(ObjectId(), "Demo organisation", self_registration=True)
    accounts, assigned = [], []
    for role, name, email in _PEOPLE:
        password = secrets.token_urlsafe(9)
        of = None if role is Role.SALES else organisation["_id"]
        user = await store.users.create(ObjectId(), name, email, password, role, of)
        accounts.append({"role": role.value, "email": email, "password": password})
        if role in (Role.PROCTOR, Role.STUDENT):
            assigned.append(user["_id"])
    fields = {
        "title": "Demo exam",
        "duration": _EXAM_MINUTES,
        "users": assigned,
        "startsAt": None,
        "endsAt": None,
        "rehearsal": False,
    }
    exam = await store.exams.create(ObjectId(), organisation["_id"], fields)
    return {"organisationId": str(organisation["_id"]), "examId": str(exam["_id"]), "accounts": accounts}
