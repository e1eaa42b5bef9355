"""All that belongs to one organisation, read out while servers go on.

What a dump guarantees, for each exam by itself:

- Its log is dense from 1 to its end, and holds all that was acknowledged before the dump began.
- Sessions, orders and log fit each other: what a session has become, its log says, or the session owes it still, as
  after a crash; and no log tells of a change that its session has not had. For this, sessions are read again as long as
  the log, read after them, tells of more changes (at most _ROUNDS times, in an exam where somebody starts or ends all
  the time; then a session may be older by the milliseconds of one round).
- Every user that a session or an exam names is there, where it was not deleted meanwhile.

Exams are read one after the other, so two may be minutes apart. Heartbeats are those from before the dump began, and
some since. Not in it: answers kept for `Idempotency-Key`, and SALES accounts, who belong to no organisation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

from bson import ObjectId

from models.database import Database, Stored, find_by_ids, patience
from models.errors import NotFound
from models.fields import now
from models.offsets import MAX_READ, read_offsets
from models.places import segment_ids

Item = tuple[str, Stored]  # a collection's name, a document of it

_ROUNDS: Final = 100
_CHANGES: Final = frozenset(  # the activities that tell of a change of their session, or of all sessions
    {
        "session_started",
        "session_ended",
        "admitted",
        "paused",
        "resumed",
        "time_added",
        "reinstated",
        "heartbeat_missing",
        "heartbeat_resumed",
    }
)


async def exam_ids_of(database: Database, organisation_id: ObjectId) -> list[ObjectId]:
    """The exams of an organisation."""
    return [one["_id"] async for one in database.exams.find({"organisationId": organisation_id}, {"_id": 1})]


async def read_organisation(
    database: Database, organisation_id: ObjectId, exam_ids: Iterable[ObjectId]
) -> AsyncIterator[Item]:
    """Every document that belongs to the organisation and these exams of it, in the order in which they are to be
    written: what others refer to comes last, the organisation itself at the very end. NotFound where there is none.
    """
    if not await database.organisations.find_one({"_id": organisation_id}):
        raise NotFound("No such organisation.")
    wanted = set(exam_ids)
    # Before the heartbeats that are folded: one that is folded meanwhile is in both, which folds to the same.
    for item in await _groups(database, wanted):
        yield item
    for exam_id in wanted:
        async for item in _read_exam(database, exam_id):
            yield item
    async for user in database.users.find({"organisationId": organisation_id}):
        yield "users", user
    async for revocation in database.revocations.find({"expiresAt": {"$gt": now()}}):
        yield "revocations", revocation  # whose it is, only the token says
    async for entry in database.audit.find({"organisationId": organisation_id}):
        yield "audit", entry
    # Last, so that who is erased meanwhile, and may be in all that was read before, is known.
    async for erasure in database.erasures.find({"organisationId": organisation_id}):
        yield "erasures", erasure
    organisation: Stored | None = await database.organisations.find_one({"_id": organisation_id})
    if organisation is None:
        raise NotFound("The organisation was deleted meanwhile.")
    yield "organisations", organisation


async def _groups(database: Database, exam_ids: set[ObjectId]) -> list[Item]:
    """The heartbeats that are not folded yet, each group without those of others."""
    found: list[Item] = []
    with patience():
        async for group in database.heartbeat_groups.find({}):
            beats = zip(group["sessions"], group["exams"], group["times"], strict=True)
            own = [beat for beat in beats if beat[1] in exam_ids]
            if own:
                columns = dict(zip(("sessions", "exams", "times"), map(list, zip(*own, strict=True)), strict=True))
                # Of another id: what is left of the group belongs to others.
                found.append(("heartbeatGroups", group | columns | {"_id": ObjectId()}))
    return found


async def _read_exam(database: Database, exam_id: ObjectId) -> AsyncIterator[Item]:
    within = {"examId": exam_id}
    note: Stored | None = await database.log_notes.find_one({"_id": exam_id})
    head = 0
    async for record in _log(database, exam_id, head):
        head = record["offset"]
        yield "activity", record
    sessions: dict[ObjectId, Stored] = {}
    changed: set[ObjectId] | None = None  # None: any
    for _ in range(_ROUNDS):
        # Each before what follows from it: a fate its order, an order's change, a seal, what is owed, the log's entry.
        fates = await _find(database, "fates", within)
        if changed is None:
            sessions = {one["_id"]: one for one in await _find(database, "sessions", within)}
        else:
            sessions |= await find_by_ids(database.sessions, changed)
        orders, seals = await _find(database, "orders", within), await _find(database, "seals", within)
        starts = await _find(database, "starts", {})
        changed = set()
        async for record in _log(database, exam_id, head):
            head = record["offset"]
            if record["type"] in _CHANGES and changed is not None:
                changed = {*changed, record["sessionId"]} if record["sessionId"] else None
            yield "activity", record
        if changed is not None and not changed:
            break
    if note:
        for place in (await find_by_ids(database.places, segment_ids(exam_id, note["offset"]))).values():
            yield "places", place
        yield "logNotes", note
    async for folded in database.heartbeats.find(within):
        yield "heartbeats", folded
    for name, documents in (("seals", seals), ("orders", orders), ("fates", fates), ("sessions", sessions.values())):
        for document in documents:
            yield name, document
    for start in starts:
        if own := [one for one in start["sessions"] if one in sessions]:
            yield "starts", {"_id": ObjectId(), "sessions": own}
    exam: Stored | None = await database.exams.find_one({"_id": exam_id})
    if exam is None:
        raise NotFound(f"The exam {exam_id} was deleted meanwhile.")
    yield "exams", exam


async def _log(database: Database, exam_id: ObjectId, since: int) -> AsyncIterator[Stored]:
    while records := await read_offsets(database.activity, exam_id, since, since + MAX_READ):
        for record in records:
            yield record
        since = records[-1]["offset"]


async def _find(database: Database, name: str, query: dict[str, ObjectId]) -> list[Stored]:
    with patience():
        found: list[Stored] = await database.collection(name).find(query).to_list(None)
    return found
