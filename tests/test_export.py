"""What is stored about a person: all of it for an ADMIN, what a student may know for the student."""

from __future__ import annotations

import json
from typing import Any

from bson import ObjectId

from models.store import Store
from server.settings import Settings
from tests.conftest import PASSWORD, SECRET, Connect, Organisation, Person
from tests.privacy import EMAIL, NAME, NOTE, OTHERS, SAID, sit
from tests.processes import run


def path_of(person: Person) -> str:
    return f"/routes/users/{person.id}/export"


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for one in value.values() for key in keys_of(one)}
    return {key for one in value for key in keys_of(one)} if isinstance(value, list) else set()


async def test_an_admin_gets_all_of_it(school: Organisation, connect: Connect, store: Store) -> None:
    sat = await sit(school, connect)
    await store.seals.seal(ObjectId(sat.session_id))
    await school.proctor.api.ok("GET", f"/routes/proctoring/{sat.session_id}/record")
    answer = await school.admin.api.call("GET", path_of(sat.person))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="export-{sat.person.id}.json"'
    export = answer.body
    assert (export["user"]["name"], export["user"]["email"]) == (NAME, EMAIL)
    (exam,) = export["exams"]
    assert (exam["id"], exam["extraMinutes"]) == (school.exam_id, 17)
    (one,) = export["sessions"]
    assert one["session"]["verdict"] == "SUSPICIOUS"
    activity = await school.admin.api.ok("GET", f"/routes/proctoring/{sat.session_id}/activity")
    assert [item["offset"] for item in one["activities"]] == [item["offset"] for item in activity]
    text = json.dumps(export, ensure_ascii=False)
    for said in (*SAID, NOTE, "127.0.0.1"):
        assert said in text
    assert OTHERS not in text
    assert [command["action"] for command in one["commands"]] == ["warn", "extend"]
    assert len(one["heartbeats"]) == 1
    assert one["seals"][0]["chain"]
    assert {"record", "command_warn", "review"} <= {look["action"] for look in export["audit"]}
    assert {look["actorId"] for look in export["audit"]} == {school.admin.id, school.proctor.id}
    assert (export["did"], export["written"]) == ([], [])
    assert not {"password", "salt", "hash", "iterations", "emailKey"} & (set(export["user"]) | keys_of(one["session"]))


async def test_a_student_gets_its_own_without_what_students_are_never_told(
    school: Organisation, connect: Connect, store: Store
) -> None:
    sat = await sit(school, connect)
    await store.seals.seal(ObjectId(sat.session_id))
    await school.proctor.api.ok("GET", f"/routes/proctoring/{sat.session_id}/record")
    export = await sat.person.api.ok("GET", path_of(sat.person))
    assert not {"severity", "verdict", "counts", "note", "link", "chain"} & keys_of(export)
    assert not {"actorId", "address"} & keys_of(export["audit"])
    (one,) = export["sessions"]
    types = [item["type"] for item in one["activities"]]
    assert "reviewed" not in types
    assert {"chat", "tab_change", "hand_raised", "warned", "time_added", "session_ended"} <= set(types)
    text = json.dumps(export, ensure_ascii=False)
    for said in SAID:
        assert said in text
    assert NOTE not in text
    assert "SUSPICIOUS" not in text
    assert {item.get("actorName") for item in one["activities"]} == {None, "proctor"}  # who wrote to it
    assert "record" in {look["action"] for look in export["audit"]}
    assert {look["role"] for look in export["audit"]} == {"ADMIN", "PROCTOR"}
    assert all(set(seal) == {"number", "sealedAt", "count", "firstOffset", "lastOffset"} for seal in one["seals"])


async def test_of_staff_there_is_what_they_did_and_wrote(school: Organisation, connect: Connect) -> None:
    await sit(school, connect)
    export = await school.proctor.api.ok("GET", path_of(school.proctor))
    assert [one["type"] for one in export["written"]] == ["chat", "warned", "time_added", "reviewed"]
    assert [one["action"] for one in export["did"]] == ["join", "command_warn", "command_extend", "review"]
    assert export["sessions"] == []
    assert export["user"]["role"] == "PROCTOR"


async def test_nobody_else_gets_it(
    school: Organisation, college: Organisation, sales: Person, connect: Connect
) -> None:
    sat = await sit(school, connect)
    for person, code in [
        (school.proctor, "forbidden"), (sales, "forbidden"), (school.student, "not_found"),
        (college.admin, "not_found"), (college.student, "not_found"),
    ]:  # fmt: skip
        assert await person.api.code("GET", path_of(sat.person)) == code
    assert await school.admin.api.as_(None).code("GET", path_of(sat.person)) == "unauthorized"
    assert (await sales.api.ok("GET", path_of(sales)))["user"]["organisationId"] is None


async def test_somebody_who_did_nothing_has_a_short_one(school: Organisation) -> None:
    export = await school.student.api.ok("GET", path_of(school.student))
    assert (export["sessions"], export["audit"], export["did"], export["written"]) == ([], [], [], [])
    assert [exam["id"] for exam in export["exams"]] == [school.exam_id]


async def test_the_command_prints_it_too_in_both_views(
    school: Organisation, connect: Connect, settings: Settings
) -> None:
    sat = await sit(school, connect)
    environ: Any = {"DATABASE_URL": settings.database_url, "JWT_SECRET": SECRET, "DATA_DIR": settings.data_dir}
    answered = await school.admin.api.ok("GET", path_of(sat.person))
    status, out, err = await run("export", sat.person.id, cwd=settings.data_dir, **environ)
    assert (status, err) == (0, "")
    printed = json.loads(out)
    assert printed["user"] == answered["user"]
    assert printed["sessions"][0]["activities"] == answered["sessions"][0]["activities"]
    status, out, _ = await run("export", sat.person.id, "--own", cwd=settings.data_dir, **environ)
    assert "severity" not in out
    assert SAID[0] in out
    assert PASSWORD not in out
    audited = await school.admin.api.ok("GET", f"/routes/audit?userId={sat.person.id}")
    assert [one["action"] for one in audited if one["role"] is None] == ["export_user"] * 2
