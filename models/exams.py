"""Exams: what is proctored, for how long, and who is assigned to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from models.actors import Actor, Role
from models.database import Database, Stored, find_by_ids, find_page, patience
from models.errors import Conflict, InvalidPayload, NotFound
from models.fields import Document, Id, Instant, now, shape
from models.groups import Groups
from models.lifecycle import LIVE
from models.log import ActivityLog
from models.organisations import OrganisationName, Organisations
from models.policy import DEFAULT, Accommodation, Policy
from models.users import Users
from models.visibility import exams_of, sees_exam

_MOST_A_GROUP: Final = 200


class Exam(Document):
    id: Id
    title: str
    duration: int
    organisation_id: Id
    users: list[Id] = []
    starts_at: Instant | None
    ends_at: Instant | None
    rehearsal: bool
    policy: Policy
    accommodations: list[Accommodation] = []
    created_at: Instant
    updated_at: Instant


class ExamRecord(Exam):
    """An exam read by id."""

    organisation: OrganisationName | None = None


class Exams:
    """Named queries. Every one that takes an actor sees only what that actor may see."""

    def __init__(self, database: Database, organisations: Organisations, users: Users, log: ActivityLog) -> None:
        self._database = database
        self._organisations = organisations
        self._users = users
        self._log = log
        self._seen = Groups(self.seen, most=_MOST_A_GROUP)

    async def create(self, new_id: ObjectId, organisation_id: ObjectId, fields: dict[str, Any]) -> Stored:
        """`fields`: title, duration (minutes), users, startsAt, endsAt, rehearsal, policy?, accommodations?.
        InvalidPayload for wrong users.
        """
        fields = {"policy": DEFAULT, "accommodations": []} | fields
        await self._check_users(organisation_id, fields["users"])
        await self._check_accommodations(organisation_id, fields["accommodations"])
        _check_window(fields)
        time = now()
        document: Stored = {
            "_id": new_id,
            "organisationId": organisation_id,
            **fields,
            "epoch": uuid4().hex,
            "createdAt": time,
            "updatedAt": time,
        }
        async with self._organisations.adding(
            organisation_id, lambda: self._database.exams.delete_one({"_id": new_id})
        ):
            try:
                await self._database.exams.insert_one(document)
            except DuplicateKeyError:  # the same request, once more
                return await self.by_id(new_id)
        return document

    async def page(self, actor: Actor, after: ObjectId | None, limit: int) -> list[Stored]:
        return await find_page(self._database.exams, exams_of(actor), after, limit)

    async def get(self, actor: Actor, exam_id: ObjectId) -> Stored:
        """The exam, for a STUDENT without its `users`. Others may hold the same document: it is not to be changed."""
        found = await self._seen((exam_id, actor))
        if found is None:
            raise NotFound("No such exam.")
        return found

    async def check(self, actor: Actor, exam_id: ObjectId) -> None:
        """NotFound where `actor` may not see the exam."""
        await self.get(actor, exam_id)

    async def seen(self, wanted: list[tuple[ObjectId, Actor]]) -> list[Stored | None]:
        """Each of these exams, as `get` gives it; None where its actor may not see it. An exam is read once."""
        exams = await find_by_ids(self._database.exams, [exam_id for exam_id, _ in wanted])
        # A set, as its list is a thousand ids long and is searched once for each of a thousand students.
        sought = {exam_id: exam | {"users": set(exam["users"])} for exam_id, exam in exams.items()}
        # A student does not see `users`, and a thousand of its connections would each keep a copy.
        short = {
            exam_id: {name: value for name, value in exam.items() if name != "users"} for exam_id, exam in exams.items()
        }
        return [
            (short if actor.role is Role.STUDENT else exams)[exam_id]
            if exam_id in exams and sees_exam(actor, sought[exam_id])
            else None
            for exam_id, actor in wanted
        ]

    async def by_id(self, exam_id: ObjectId) -> Stored:
        found: Stored | None = await self._database.exams.find_one({"_id": exam_id})
        if found is None:
            raise NotFound("No such exam.")
        return found

    async def visible_ids(self, actor: Actor) -> list[ObjectId]:
        """The ids of all exams that `actor` may see."""
        return [exam["_id"] async for exam in self._database.exams.find(exams_of(actor), {"_id": 1})]

    async def record(self, actor: Actor, exam: Stored) -> dict[str, Any]:
        """An ExamRecord: the exam with its organisation, as `actor` may see it."""
        organisation = await self._database.organisations.find_one({"_id": exam["organisationId"]})
        return view(actor, exam) | {"organisation": organisation and shape(OrganisationName, organisation)}

    async def update(self, exam: Stored, changes: dict[str, Any]) -> Stored:
        """Conflict for a new `duration` while sessions run; InvalidPayload for wrong users."""
        if "users" in changes:
            changes["users"] = list(dict.fromkeys(changes["users"]))
            await self._check_users(exam["organisationId"], set(changes["users"]) - set(exam["users"]))
        if "policy" in changes:
            changes["policy"] = exam["policy"] | changes["policy"]
        if "accommodations" in changes:
            await self._check_accommodations(exam["organisationId"], changes["accommodations"])
        _check_window(exam | changes)
        if changes.get("duration", exam["duration"]) != exam["duration"]:
            running = {"examId": exam["_id"], "status": {"$in": LIVE}}
            if await self._database.sessions.find_one(running):
                raise Conflict("The duration cannot change while sessions are running.")
        other_kind = changes.get("rehearsal", exam["rehearsal"]) != exam["rehearsal"]
        if other_kind and await self._database.sessions.find_one({"examId": exam["_id"]}):
            # else sessions could be deleted by way of a rehearsal
            raise Conflict("An exam with sessions cannot become a rehearsal, nor a rehearsal an exam.")
        await self._database.exams.update_one({"_id": exam["_id"]}, {"$set": changes | {"updatedAt": now()}})
        return await self.by_id(exam["_id"])

    async def assign(self, exam: Stored, add: list[ObjectId], remove: list[ObjectId]) -> Stored:
        """The exam with `add` assigned and `remove` no longer; who is in both is removed."""
        await self._check_users(exam["organisationId"], add)
        one = {"_id": exam["_id"]}
        await self._database.exams.update_one(
            one, {"$addToSet": {"users": {"$each": add}}, "$set": {"updatedAt": now()}}
        )
        if remove:
            await self._database.exams.update_one(one, {"$pull": {"users": {"$in": remove}}})
        return await self.by_id(exam["_id"])

    async def delete(self, exam: Stored) -> None:
        """Conflict where there are sessions; a rehearsal is deleted with all that is in it."""
        within, one = {"examId": exam["_id"]}, {"_id": exam["_id"]}
        if not exam["rehearsal"] and await self._database.sessions.find_one(within):
            raise Conflict("The exam has proctoring sessions.")
        # Its users go first, so that nobody starts any more; it goes last, so that after a crash it can go again.
        await self._database.exams.update_one(one, {"$set": {"users": []}})
        # A session that was being started meanwhile is taken back by its start, or keeps the exam.
        if not exam["rehearsal"] and await self._database.sessions.find_one(within):
            await self._database.exams.update_one(one, {"$set": {"users": exam["users"]}})
            raise Conflict("The exam has proctoring sessions.")
        with patience():  # also of one without sessions: of those that had their time, the log was left
            for collection in self._database.of_exams:
                await collection.delete_many(within)
            await self._log.delete(exam["_id"])
        await self._database.exams.delete_one(one)

    async def _check_accommodations(self, organisation_id: ObjectId, accommodations: list[dict[str, Any]]) -> None:
        user_ids = [one["userId"] for one in accommodations]
        if len(set(user_ids)) < len(user_ids):
            raise InvalidPayload("A student has one accommodation.", [{"loc": ["accommodations"], "msg": "repeated"}])
        missing = set(user_ids) - await self._users.assignable(organisation_id, user_ids, roles=(Role.STUDENT,))
        if missing:
            raise InvalidPayload(
                "Only students of the organisation can have accommodations.",
                [{"loc": ["accommodations"], "msg": f"{one} is no student"} for one in sorted(missing)[:20]],
            )

    async def _check_users(self, organisation_id: ObjectId, user_ids: Iterable[ObjectId]) -> None:
        wanted = list(user_ids)
        missing = set(wanted) - await self._users.assignable(organisation_id, wanted)
        if missing:
            raise InvalidPayload(
                "Only students and proctors of the organisation can be assigned.",
                [{"loc": ["users"], "msg": f"{user_id} cannot be assigned"} for user_id in sorted(missing)[:20]],
            )


def view(actor: Actor, exam: Stored) -> dict[str, Any]:
    """An Exam as `actor` may see it: a STUDENT does not see who else is assigned, nor who gets more time."""
    answer = shape(Exam, exam)
    if actor.role is Role.STUDENT:
        answer.pop("users", None)
        answer.pop("accommodations", None)
    return answer


def _check_window(fields: dict[str, Any]) -> None:
    starts_at, ends_at = fields.get("startsAt"), fields.get("endsAt")
    if starts_at and ends_at and ends_at <= starts_at:
        raise InvalidPayload("endsAt must be after startsAt.", [{"loc": ["endsAt"], "msg": "not after startsAt"}])
