"""Seals: when they are made, exactly once, and that whatever is changed in a record is found and named."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import bson
import orjson
import pytest
from bson import ObjectId
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymongo.errors import AutoReconnect

from models import record as record_module
from models import seal as seal_module
from models import sealing
from models.activity import Entry
from models.chain import START, fingerprint, hash_of, link_of, public_key_of, read_key, sign
from models.database import Stored
from models.errors import Conflict, NotFound
from models.fields import now
from models.orders import Wish
from models.session import entry_of
from models.store import Store
from server.cli import main
from server.settings import Settings, SettingsError, keep_secret, load_settings
from server.verify import Broken, NoRecord, verify
from tests.conftest import SECRET
from tests.processes import run
from tests.test_starting import Failing, Killed, actor, make_class, restarted

DAY = timedelta(hours=24)
TEXTS = ["May I leave?", "Ünïcode 試験 🎓", 'a "quote" \\ and a line\nbreak', "=1+1"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Let the clock of sealing go ahead by so much."""

    def ahead(by: timedelta) -> None:
        for module in (sealing, seal_module, record_module):
            monkeypatch.setattr(module, "now", lambda: now() + by)

    return ahead


@pytest.fixture
async def store(store: Store) -> Store:
    """Without the sweep that the server makes by itself, perhaps in the midst of a test's."""
    await store.seals.periodic.close()
    return store


def entries(session: Stored, count: int, first: int = 1) -> list[Entry]:
    """Of every shape that a student sends."""
    made = []
    for seq in range(first, first + count):
        kind, data = [
            ("chat", {"text": TEXTS[seq % len(TEXTS)], "to": "proctors"}),
            ("tab_change", {"hidden": False, "durationMs": 31_000}),
            ("copy", {}),
        ][seq % 3]
        client: Any = {"client_id": "c" * 36, "seq": seq, "occurred_at": now()}
        made.append(entry_of(session, kind, "client", data, actor_id=session["userId"], **client))
    return made


async def sat(store: Store, count: int = 1, activities: int = 12) -> list[Stored]:
    """Sessions of one exam that are over, whose activities alternate in its log."""
    users, exam = await make_class(store.database, count)
    sessions = [(await store.starting.start(actor(user), exam))[0] for user in users]
    log = store.log.of(exam["_id"])
    for first in range(1, activities + 1, 500):
        batch = min(500, activities + 1 - first)
        columns = [entries(session, batch, first) for session in sessions]
        await log.append([entry for row in zip(*columns, strict=True) for entry in row])
    return [await store.sessions.end(session, actor(user)) for session, user in zip(sessions, users, strict=True)]


async def proctored(store: Store, session: Stored, kind: Any, data: dict[str, Any]) -> int:
    """Record what a proctor did, as /proctor does; its offset."""
    recorded = await store.log.append(entry_of(session, kind, "proctor", data, actor_id=ObjectId()))
    await store.sessions.changes.tell([session])
    return int(recorded.record["offset"])


async def record_of(store: Store, session: Stored) -> dict[str, Any]:
    return await store.records.of(await store.sessions.by_id(session["_id"]))


async def count_of(store: Store, session: Stored) -> int:
    return len(await store.seals.of(session["_id"]))


def offsets_of(record: dict[str, Any]) -> list[int]:
    return [one["offset"] for one in record["activities"]]


def check(record: dict[str, Any], public_key: str | None = None) -> str:
    return verify(orjson.dumps(record), public_key)


def broken(record: dict[str, Any], public_key: str | None = None) -> str:
    """What is said of it."""
    with pytest.raises(Broken) as raised:
        check(record, public_key)
    return str(raised.value)


def copied(record: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(record))
    return made


# When it is sealed


async def test_a_session_is_sealed_24_hours_after_its_end_and_not_before(
    store: Store, clock: Callable[[timedelta], None]
) -> None:
    (session,) = await sat(store)
    await store.seals.sweep()
    clock(DAY - timedelta(minutes=1))
    await store.seals.sweep()
    assert await count_of(store, session) == 0
    assert (await record_of(store, session))["note"].startswith("Will be sealed after ")
    clock(DAY)
    assert (await record_of(store, session))["note"] == "Will be sealed within minutes."
    await store.seals.sweep()
    record = await record_of(store, session)
    assert (await count_of(store, session), record["note"]) == (1, None)
    assert [one["type"] for one in record["activities"]][::13] == ["session_started", "session_ended"]
    (seal,) = record["seals"]
    assert (seal["count"], seal["firstOffset"], seal["lastOffset"]) == (14, 1, 14)
    assert seal["publicKey"] == store.seals.public_key
    assert "14 activities, offsets 1 to 14, are as they were sealed" in check(record, store.seals.public_key)


async def test_what_earlier_processes_left_is_found_at_the_start(
    store: Store, settings: Settings, clock: Callable[[timedelta], None]
) -> None:
    sessions = await sat(store, 3)
    clock(DAY)
    async with restarted(settings) as later:
        for session in sessions:
            while not await count_of(later, session):
                await asyncio.sleep(0.01)
            check(await record_of(later, session))


async def test_a_session_that_runs_is_not_sealed(store: Store, clock: Callable[[timedelta], None]) -> None:
    users, exam = await make_class(store.database, 1)
    session, _ = await store.starting.start(actor(users[0]), exam)
    clock(DAY * 2)
    await store.seals.sweep()
    with pytest.raises(Conflict):
        await store.seals.seal(session["_id"])
    with pytest.raises(NotFound):
        await store.seals.seal(ObjectId())
    assert await count_of(store, session) == 0
    record = await record_of(store, session)
    assert (record["seals"], record["note"]) == ([], "Will be sealed 24 hours after the session's end.")
    assert {(one["salt"], one["dataHash"], one["link"]) for one in record["activities"]} == {(None, None, None)}
    assert broken(record) == "The record is not sealed yet."


async def test_to_seal_again_changes_nothing_and_looks_no_more(
    store: Store, clock: Callable[[timedelta], None]
) -> None:
    sessions = await sat(store, 2)
    clock(DAY)
    seen: list[Any] = []
    for _ in range(3):
        await store.seals.sweep()
        stored = [await store.seals.of(session["_id"]) for session in sessions]
        assert [len(one) for one in stored] == [1, 1]
        assert await store.seals.ended(now() + DAY) == []
        assert seen in ([], stored)
        seen = stored
    assert await store.seals.seal(sessions[0]["_id"]) == 0
    assert await store.seals.of(sessions[0]["_id"]) == seen[0]


async def test_of_two_that_seal_at_once_the_first_wins(
    store: Store, settings: Settings, clock: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = await sat(store, 4)
    clock(DAY)
    async with restarted(settings) as other:
        await other.seals.periodic.close()
        for session in sessions:
            await other.seals._seals.delete_many({"sessionId": session["_id"]})  # what its start has sealed
        both = asyncio.Barrier(2)
        inserted: list[str] = []
        for one in (store, other):
            one.seals._looked = True
            one.seals._due = {session["_id"]: session["endTime"] + DAY for session in sessions}
            real = one.database.seals.insert_one

            async def together(seal: Stored, real: Any = real) -> None:
                await both.wait()  # both have found that there is none
                await real(seal)
                inserted.append(seal["_id"])

            collection: Any = Failing(one.database.seals, "", Killed(), after=False)
            collection.insert_one = together
            monkeypatch.setattr(one.seals, "_seals", collection)
        await asyncio.gather(store.seals.sweep(), other.seals.sweep())
    assert sorted(inserted) == sorted(f"{session['_id']}:1" for session in sessions)
    for session in sessions:
        check(await record_of(store, session))


@pytest.mark.parametrize(
    ("owner", "method", "after"),
    [("seals", "insert_one", False), ("seals", "insert_one", True), ("sessions", "update_one", False)],
)
@pytest.mark.parametrize(
    "error", [Killed(), asyncio.CancelledError(), AutoReconnect("gone")], ids=["error", "kill", "database"]
)
async def test_a_kill_in_between_leaves_one_seal_the_next_time(
    store: Store,
    clock: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    method: str,
    after: bool,
    error: BaseException,
) -> None:
    sessions = await sat(store, 2)
    clock(DAY)
    failing: Any = Failing(getattr(store.database, owner), method, error, after=after)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        if owner == "seals":
            patch.setattr(store.seals, "_seals", failing)
        else:
            patch.setattr(store.database, "sessions", failing)
        with suppress(asyncio.CancelledError):
            await store.seals.sweep()
    assert len(store.seals._due) >= 1
    await store.seals.sweep()
    assert await store.seals.ended(now() + DAY) == []
    for session in sessions:
        assert await count_of(store, session) == 1
        check(await record_of(store, session))


async def test_what_a_session_still_owes_the_log_is_in_its_seal(
    store: Store, clock: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    users, exam = await make_class(store.database, 1)
    session, _ = await store.starting.start(actor(users[0]), exam)
    with monkeypatch.context() as patch:
        patch.setattr(store.sessions, "settle", Failing(store.sessions, "settle", Killed(), after=False).settle)
        with pytest.raises(Killed):
            await store.sessions.end(session, actor(users[0]))
    clock(DAY)
    await store.seals.sweep()
    record = await record_of(store, session)
    assert [one["type"] for one in record["activities"]] == ["session_started", "session_ended"]
    check(record)


async def test_a_rehearsal_takes_its_seals_with_it(store: Store) -> None:
    (session,) = await sat(store)
    await store.seals.seal(session["_id"])
    exam = await store.exams.by_id(session["examId"])
    await store.exams.delete(exam | {"rehearsal": True})
    assert await count_of(store, session) == 0


async def test_a_rehearsal_that_is_deleted_while_it_is_sealed_leaves_no_seal(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (session,) = await sat(store)
    real = store.seals.details_of

    async def slowly(one: Stored) -> Any:
        details = await real(one)
        await store.exams.delete(await store.exams.by_id(session["examId"]) | {"rehearsal": True})
        return details

    monkeypatch.setattr(store.seals, "details_of", slowly)
    with pytest.raises(NotFound):
        await store.seals.seal(session["_id"])
    assert await count_of(store, session) == 0


# What is recorded afterwards


async def test_what_comes_after_a_seal_is_sealed_by_a_next_one_that_continues_the_chain(
    store: Store, clock: Callable[[timedelta], None]
) -> None:
    (session,) = await sat(store)
    await store.seals.seal(session["_id"])  # by command, before the 24 hours are over
    first = await record_of(store, session)
    check(first)
    await store.log.of(session["examId"]).append([replace(one, late=True) for one in entries(session, 3, first=50)])
    late = await record_of(store, session)
    assert broken(late).startswith("Offset 15: it was added, or recorded after the seal")
    assert late["note"].startswith("Will be sealed after ")
    clock(DAY)
    await store.seals.sweep()
    reviewed = await proctored(store, session, "reviewed", {"verdict": "SUSPICIOUS", "note": "Twice."})
    assert broken(await record_of(store, session)).startswith(f"Offset {reviewed}: ")
    await store.seals.sweep()
    record = await record_of(store, session)
    assert (record["verdict"], record["note"]) == ("SUSPICIOUS", None)
    assert [(one["number"], one["firstOffset"], one["lastOffset"]) for one in record["seals"]] == [
        (1, 1, 14),
        (2, 15, 17),
        (3, 18, 18),
    ]
    assert [one["previous"] for one in record["seals"]] == [None, *(one["head"] for one in record["seals"][:2])]
    check(record, store.seals.public_key)
    check(first)  # what was given out before still holds

    for number in (0, 1):
        without = copied(record)
        del without["seals"][number]
        assert broken(without) == f"Seal {number + 1}: it was left out, or moved."
    swapped = copied(record)
    swapped["seals"][0], swapped["seals"][1] = swapped["seals"][1], swapped["seals"][0]
    assert broken(swapped) == "Seal 1: it was left out, or moved."


async def test_a_session_that_is_reinstated_is_sealed_again_24_hours_after_its_new_end(
    store: Store, clock: Callable[[timedelta], None]
) -> None:
    (session,) = await sat(store)
    clock(DAY)
    await store.seals.sweep()
    exam = await store.exams.by_id(session["examId"])
    wish = Wish(action="reinstate", reason="Submitted by mistake.", actor_id=ObjectId())
    await store.orders.give(ObjectId(), exam, session, wish)
    await store.seals.sweep()
    assert await count_of(store, session) == 1
    record = await record_of(store, session)
    assert broken(record).startswith("Offset 15: ")
    user = {"_id": session["userId"], "organisationId": session["organisationId"], "name": "Student 0"}
    await store.sessions.end(await store.sessions.by_id(session["_id"]), actor(user))
    await store.seals.sweep()
    record = await record_of(store, session)
    assert [one["type"] for one in record["activities"]][14:] == ["reinstated", "session_ended"]
    assert [one["lastOffset"] for one in record["seals"]] == [14, 16]
    assert record["seals"][0]["session"]["endTime"] < record["seals"][1]["session"]["endTime"]
    check(record)


async def test_what_is_stored_while_a_seal_is_made_is_in_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (session,) = await sat(store)
    real, late = store.seals.details_of, entries(session, 2, first=90)

    async def meanwhile(one: Stored) -> Any:
        if late:
            await store.log.append(late.pop())
        return await real(one)

    monkeypatch.setattr(store.seals, "details_of", meanwhile)
    assert await store.seals.seal(session["_id"]) == 16
    record = await record_of(store, session)
    assert [one["count"] for one in record["seals"]] == [14, 1, 1]
    check(record)


# What is changed is found


async def sealed_record(store: Store, activities: int = 12) -> dict[str, Any]:
    """Of two sessions that alternate in the log, so that offsets have gaps; with two seals, a verdict and a ledger."""
    (session, _) = await sat(store, 2, activities)
    given = {"kind": "extension", "ms": 600_000, "reason": "A power cut.", "actorId": ObjectId(), "at": now()}
    await store.database.sessions.update_one({"_id": session["_id"]}, {"$set": {"timeLedger": [given]}})
    await store.seals.seal(session["_id"])
    await proctored(store, session, "reviewed", {"verdict": "CLEARED"})
    await store.seals.seal(session["_id"])
    record = await record_of(store, session)
    assert (len(record["seals"]), len(record["activities"])) == (2, activities + 3)
    check(record, store.seals.public_key)
    return record


async def test_one_character_that_is_changed_anywhere_is_found_and_its_offset_named(store: Store) -> None:
    record = await sealed_record(store)
    text = orjson.dumps(record).decode()
    where = [(text.index(orjson.dumps(one).decode()), one) for one in record["activities"]]
    dice, named = random.Random(7), 0
    for _ in range(3000):
        place = dice.randrange(len(text))
        if dice.random() < 0.6:  # most of the file is the seals
            first, activity = dice.choice(where)
            place = first + dice.randrange(len(orjson.dumps(activity).decode()))
        new = dice.choice('0123456789abcdefT:.-+"{}[],\\ éA')
        changed = text[:place] + new + text[place + 1 :]
        if changed == text:
            continue
        with pytest.raises((Broken, NoRecord)) as raised:
            verify(changed.encode())
        within = [one for first, one in where if first <= place < first + len(orjson.dumps(one).decode())]
        if within and raised.type is Broken:
            assert str(raised.value).startswith(f"Offset {within[0]['offset']}: "), changed[place - 30 : place + 30]
            named += 1
    assert named > 500


def changed_values(value: Any) -> list[Any]:
    """Other values that are nearly the same."""
    if value is None:
        return ["", 0, False, {}]
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, int):
        return [value + 1, -value - 1, str(value), None]
    if isinstance(value, str):
        return [
            value + " ",
            value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x",
            value.swapcase() + "x",
            None,
            [value],
        ]
    return [None, []]


async def test_every_field_of_every_activity_counts(store: Store) -> None:
    record = await sealed_record(store)
    for place, activity in enumerate(record["activities"]):
        for owner, names in ((lambda one: one, activity), (lambda one: one["data"], activity["data"])):
            for name, value in names.items():
                for new in changed_values(value):
                    other = copied(record)
                    owner(other["activities"][place])[name] = new
                    assert broken(other).startswith(f"Offset {activity['offset']}: "), (name, new)
            for change in (lambda one: one.popitem(), lambda one: one.update(more=1)):
                other = copied(record)
                fields = owner(other["activities"][place])
                change(fields or {"nothing": "to take away"})
                if other != record:
                    assert broken(other).startswith(f"Offset {activity['offset']}: ")


async def test_what_is_left_out_moved_or_added_is_named(store: Store) -> None:
    record = await sealed_record(store)
    offsets, dice = offsets_of(record), random.Random(11)
    strange = copied(record)["activities"][3] | {"offset": 999}
    for place, offset in enumerate(offsets):
        for most in (1, 2, 5):  # from here on so many are left out
            other = copied(record)
            del other["activities"][place : place + most]
            assert broken(other) == f"Offset {offset}: it was left out."
        cut = copied(record)
        del cut["activities"][place:]
        assert broken(cut) == f"Offset {offset}: it was left out."
        added = copied(record)
        added["activities"].insert(place, dict(strange))
        assert broken(added) == "Offset 999: it was added."
        twice = copied(record)
        twice["activities"].insert(place, twice["activities"][place])
        assert broken(twice).startswith(f"Offset {offset}: it was added")
        if place:
            swapped = copied(record)
            other_place = dice.randrange(place)
            one = swapped["activities"]
            one[place], one[other_place] = one[other_place], one[place]
            assert broken(swapped) == f"Offset {offsets[other_place]}: it was moved."
    at_the_end = copied(record)
    at_the_end["activities"].append(strange)
    assert broken(at_the_end).startswith("Offset 999: it was added")


async def test_links_that_are_made_anew_after_a_change_do_not_help(store: Store) -> None:
    record = await sealed_record(store)
    forged, link = copied(record), START
    forged["activities"][5]["severity"] = "critical"
    for activity in forged["activities"]:
        link = link_of(link, activity)
        activity["link"] = link.hex()
    assert broken(forged) == f"Offset {offsets_of(record)[5]}: it was changed."


async def test_what_stands_beside_the_activities_counts_too(store: Store) -> None:
    record = await sealed_record(store)
    wrong: list[tuple[Callable[[Any], None], str]] = [
        (lambda one: one["session"].update(status="TERMINATED"), "The session's state"),
        (lambda one: one["session"].update(endTime=None), "The session's state"),
        (lambda one: one["session"]["timeLedger"][0].update(ms=600_001), "The exam, the user"),
        (lambda one: one["session"]["timeLedger"].clear(), "The exam, the user"),
        (lambda one: one["exam"].update(title="Greek"), "The exam, the user"),
        (lambda one: one["user"].update(name="Somebody"), "The exam, the user"),
        (lambda one: one.update(organisation={"id": "x", "name": "y"}), "The exam, the user"),
        (lambda one: one.update(verdict="VIOLATION"), "The verdict"),
        (lambda one: one["counts"].update(high=0), "The counts"),
        (lambda one: one.update(note="Do not believe it."), "The note"),
        (lambda one: one["seals"][0].update(sealedAt="2026-01-01T00:00:00.000Z"), "Seal 1: its signature"),
        (lambda one: one["seals"][1].update(count=3), "Seal 2: its signature"),
        (lambda one: one["seals"][1].update(more=3), "Seal 2: its signature"),
        (lambda one: one["seals"][1]["chain"][0].update(link="0" * 64), "Seal 2: its chain"),
        (lambda one: one["seals"][0].pop("signature"), "Seal 1: its signature"),
        (lambda one: one["seals"][0].pop("chain"), "Its seals are malformed"),
        (lambda one: one["seals"].clear(), "The record is not sealed"),
    ]  # fmt: skip
    for change, said in wrong:
        other = copied(record)
        change(other)
        assert broken(other).startswith(said), said


async def test_who_signs_a_forgery_has_another_key(store: Store) -> None:
    record = await sealed_record(store)
    key, forged = Ed25519PrivateKey.generate(), copied(record)
    forged["session"]["status"] = "TERMINATED"
    for seal in forged["seals"]:
        seal["session"]["status"] = "TERMINATED"
        seal["publicKey"] = public_key_of(key)
        seal["signature"] = sign(key, seal)
    said = check(forged)
    assert fingerprint(public_key_of(key)) in said
    assert "compare it with the server's" in said
    assert broken(forged, store.seals.public_key) == f"Seal 1: it is by another key, {public_key_of(key)}."


async def test_a_seal_of_another_session_does_not_fit(store: Store) -> None:
    (one, other) = await sat(store, 2)
    for session in (one, other):
        await store.seals.seal(session["_id"])
    record = await record_of(store, one)
    record["seals"] = (await record_of(store, other))["seals"]
    assert broken(record) == "Seal 1: it is another session's."


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", b"NaN", b'{"format": "proctoring-record/1"}', b"[" * 100_000,
        b'{"format": "proctoring-record/2", "session": {}}',
    ],
)  # fmt: skip
def test_what_is_no_record_is_told_apart(text: bytes) -> None:
    with pytest.raises(NoRecord):
        verify(text)


async def test_a_field_that_is_there_twice_is_refused(store: Store) -> None:
    text = orjson.dumps(await sealed_record(store)).decode()
    with pytest.raises(NoRecord, match="twice"):
        verify(text.replace('"late":false', '"late":true,"late":false', 1).encode())


# Erased data


async def test_a_record_whose_data_was_erased_still_verifies_and_says_so(store: Store) -> None:
    (session,) = await sat(store)
    await store.seals.seal(session["_id"])
    await proctored(store, session, "reviewed", {"verdict": "CLEARED", "note": "Was ill."})
    await store.seals.seal(session["_id"])
    await store.seals.erase(session["_id"], {4, 15})
    await store.database.activity.update_many({"offset": {"$in": [4, 15]}}, {"$set": {"data": {}}})
    record = await record_of(store, session)
    shown = {one["offset"]: one for one in record["activities"]}
    assert all((shown[offset]["data"], shown[offset]["salt"]) == (None, None) for offset in (4, 15))
    assert all(one["salt"] and one["data"] is not None for one in record["activities"] if one["offset"] not in (4, 15))
    assert record["verdict"] == "CLEARED"
    said = check(record, store.seals.public_key)
    assert "Erased since, and so not shown: the data of offset 4, the data of offset 15." in said
    changed = copied(record)
    changed["activities"][3]["type"] = "copy"
    assert broken(changed) == "Offset 4: it was changed."
    put_back = copied(record)
    put_back["activities"][3].update(data={"text": "Help me."}, salt="00" * 16)
    assert broken(put_back) == "Offset 4: its data was changed."


async def test_all_of_a_session_can_be_erased_but_what_happened_when(store: Store) -> None:
    record = await sealed_record(store)
    session_id = ObjectId(record["session"]["id"])
    await store.seals.erase(session_id)
    await store.database.sessions.update_one({"_id": session_id}, {"$set": {"user.name": "erased"}})
    erased = await store.records.of(await store.sessions.by_id(session_id))
    assert {one["data"] for one in erased["activities"]} == {None}
    assert erased["user"]["name"] == "erased"
    said = check(erased, store.seals.public_key)
    assert "what was sealed of names, title and ledger" in said
    assert said.count("the data of offset") == len(erased["activities"])
    (seal, *_) = await store.seals.of(session_id)
    assert (seal["details"], set(seal["salts"])) == (None, {0})
    for word in (b"May I leave", b"Student 0", b"power cut"):
        assert word not in bson.encode(seal)


async def test_a_short_text_cannot_be_guessed_from_its_hash(store: Store) -> None:
    (session,) = await sat(store)
    await store.seals.seal(session["_id"])
    record = await record_of(store, session)
    alike = [one for one in record["activities"] if one["data"] == {}]
    assert len(alike) >= 4
    assert len({one["dataHash"] for one in alike} | {one["salt"] for one in alike}) == 2 * len(alike)
    assert hash_of({}) not in {one["dataHash"] for one in alike}


# Size


async def test_a_session_of_5000_activities_is_sealed_and_verified_in_seconds(
    store: Store, record_property: Callable[[str, object], None]
) -> None:
    (session,) = await sat(store, 1, 4998)
    began = time.perf_counter()
    loop_was_held, beating = 0.0, True

    async def beat() -> None:
        nonlocal loop_was_held
        while beating:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            loop_was_held = max(loop_was_held, time.perf_counter() - before)

    heart = asyncio.create_task(beat())
    assert await store.seals.seal(session["_id"]) == 5000
    sealed, beating = time.perf_counter(), False
    await heart
    record = await record_of(store, session)
    read = time.perf_counter()
    text = orjson.dumps(record)
    verify(text, store.seals.public_key)
    verified = time.perf_counter()
    (seal,) = await store.seals.of(session["_id"])
    figures = {
        "seal_s": sealed - began,
        "loop_held_s": loop_was_held,
        "record_s": read - sealed,
        "verify_s": verified - read,
        "seal_bytes": len(bson.encode(seal)),
        "record_bytes": len(text),
    }
    for name, figure in figures.items():
        record_property(name, figure)
    print(figures)  # noqa: T201
    assert figures["seal_s"] < 20
    assert figures["record_s"] < 8  # a request has 9 s
    assert figures["verify_s"] < 10
    assert figures["seal_bytes"] < 500_000
    assert figures["record_bytes"] < 5_000_000


async def test_what_is_too_much_for_one_seal_is_in_several(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_MOST", 5)
    (session,) = await sat(store)
    assert await store.seals.seal(session["_id"]) == 14
    record = await record_of(store, session)
    assert [one["count"] for one in record["seals"]] == [5, 5, 4]
    check(record)


# The key


def test_a_key_is_read_from_hex_and_base64_and_nothing_else() -> None:
    key = bytes(range(32))
    for text in (key.hex(), key.hex().upper(), base64.b64encode(key).decode(), f" {key.hex()}\n"):
        assert read_key(text) == key
        assert load_settings(_env_file=None, seal_key=text).sealing_key() == key
    for text in ("short", "", key[:31].hex(), base64.b64encode(key + b"x").decode(), "g" * 64, "é" * 44):
        with pytest.raises(ValueError, match="32 bytes"):
            read_key(text)
    with pytest.raises(SettingsError, match="SEAL_KEY: 32 bytes"):
        load_settings(_env_file=None, seal_key="short")


def test_a_key_is_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path / "new")
    key = settings.sealing_key()
    assert (len(key), settings.sealing_key()) == (32, key)
    path = tmp_path / "new" / "seal_key"
    assert (path.stat().st_mode & 0o777, list(path.parent.iterdir())) == (0o600, [path])
    assert keep_secret(path, "another") == key.hex()
    path.write_text("broken", encoding="utf-8")
    with pytest.raises(SettingsError, match="seal_key, 32 bytes"):
        settings.sealing_key()


# The command line


async def test_the_command_seals_at_once(store: Store, settings: Settings, tmp_path: Path) -> None:
    (one, other, third) = await sat(store, 3)
    environment: dict[str, Any] = {
        "DATABASE_URL": settings.database_url,
        "JWT_SECRET": SECRET,
        "DATA_DIR": settings.data_dir,
        "cwd": tmp_path,
    }
    status, out, err = await run("seal", str(one["_id"]), **environment)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"{one['_id']}: 14 activities sealed",
        f"The key: {store.seals.public_key}, fingerprint {fingerprint(store.seals.public_key)}",
    ]
    until = (now() + timedelta(minutes=1)).isoformat()
    status, out, err = await run("seal", "--ended-before", until, **environment)
    assert (status, err) == (0, "")
    assert set(out.splitlines()[:3]) == {
        f"{one['_id']}: was sealed before",
        f"{other['_id']}: 14 activities sealed",
        f"{third['_id']}: 14 activities sealed",
    }
    check(await record_of(store, third), store.seals.public_key)
    status, _, err = await run("seal", str(ObjectId()), **environment)
    assert (status, err) == (2, "proctoring-server: No such session.\n")


async def test_the_command_verifies_a_file_with_nothing_but_the_file(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, key = await sealed_record(store), store.seals.public_key
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("PORT=eighty\n", encoding="utf-8")  # no settings that could be used
    (tmp_path / "record.json").write_bytes(orjson.dumps(record))
    record["activities"][4]["data"] = {"text": "Something else"}
    (tmp_path / "changed.json").write_bytes(orjson.dumps(record))

    def called(*arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr("sys.argv", ["proctoring-server", "verify", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    status, out, err = called("record.json", "--public-key", base64.b64encode(bytes.fromhex(key)).decode())
    assert (status, err) == (0, "")
    assert out.startswith("record.json: 15 activities, offsets ")
    assert f"fingerprint {fingerprint(key)}" in out
    status, out, err = called("record.json", "--public-key", "00" * 32)
    assert (status, out) == (1, "")
    assert err == f"record.json: NOT as it was sealed. Seal 1: it is by another key, {key}.\n"
    status, out, err = called("changed.json")
    offset = record["activities"][4]["offset"]
    assert (status, out) == (1, "")
    assert err == f"changed.json: NOT as it was sealed. Offset {offset}: its data was changed.\n"
    for name in ("nothing.json", ".env", "."):
        status, out, err = called(name)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"{name}: no record: ")
    assert called("record.json", "--public-key", "short")[0] == 2

    status, out, err = await run("verify", "-", cwd=tmp_path, stdin=(tmp_path / "record.json").read_text("utf-8"))
    assert (status, out[:18], err) == (0, "-: 15 activities, ", "")
