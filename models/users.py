"""Users: accounts, their roles and passwords."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from models.account import make_account
from models.actors import Actor, Role
from models.database import Database, Stored, both, duplicate_of_id, find_by_ids, find_page
from models.errors import Conflict, NotFound
from models.fields import Document, Id, Instant, now, shape
from models.organisations import STAYS, OrganisationName, Organisations, is_leaving, leaves
from models.passwords import Passwords
from models.visibility import sees_exam, users_of


class User(Document):
    id: Id
    name: str
    email: str
    role: Role
    organisation_id: Id | None
    created_at: Instant
    updated_at: Instant


class ExamTitle(Document):
    """An exam as others show it."""

    id: Id
    title: str


class SessionStatus(Document):
    """A proctoring session as a user's record shows it."""

    id: Id
    exam_id: Id
    status: str


class UserRecord(User):
    """A user read by id."""

    organisation: OrganisationName | None = None
    exams: list[ExamTitle] = []
    sessions: list[SessionStatus] = []


class Users:
    """Named queries. Every one that takes an actor sees only what that actor may see."""

    def __init__(self, database: Database, organisations: Organisations, passwords: Passwords) -> None:
        self._database = database
        self._organisations = organisations
        self._passwords = passwords

    async def create(
        self, new_id: ObjectId, name: str, email: str, password: str, role: Role, organisation_id: ObjectId | None
    ) -> Stored:
        """Conflict where the e-mail is taken; NotFound where the organisation is not there."""
        hashed = await self._passwords.hash(password)
        document = make_account(new_id, name, email, role, organisation_id, hashed)
        async with self._organisations.adding(
            organisation_id, lambda: self._database.users.delete_one({"_id": new_id})
        ):
            try:
                await self._database.users.insert_one(document)
            except DuplicateKeyError as error:
                if duplicate_of_id(error):  # the same request, once more
                    return await self.by_id(new_id)
                raise Conflict("This e-mail address is taken.") from error
        return document

    async def page(self, actor: Actor, after: ObjectId | None, limit: int) -> list[Stored]:
        return await find_page(self._database.users, users_of(actor), after, limit)

    async def get(self, actor: Actor, user_id: ObjectId) -> Stored:
        found: Stored | None = await self._database.users.find_one(both({"_id": user_id}, users_of(actor)))
        if found is None:
            raise NotFound("No such user.")
        return found

    async def by_id(self, user_id: ObjectId) -> Stored:
        found: Stored | None = await self._database.users.find_one({"_id": user_id})
        if found is None:
            raise NotFound("No such user.")
        return found

    async def has_role(self, role: Role) -> bool:
        return await self._database.users.find_one({"role": role.value}) is not None

    async def authenticate(self, email: str, password: str) -> Stored | None:
        """The user with these credentials. Takes as long where there is none. Unavailable while too many sign in."""
        with self._passwords.room():
            user = await self.by_email(email)
            if not await self._passwords.verify(password, user) or user is None:
                return None
        # Read again: a password that was changed while the old one was verified must not give a newer token.
        fresh: Stored | None = await self._database.users.find_one({"_id": user["_id"]})
        return fresh if fresh and fresh["password"] == user["password"] else None

    async def by_email(self, email: str) -> Stored | None:
        found: Stored | None = await self._database.users.find_one({"emailKey": email.casefold()})
        return found

    async def verify_password(self, user: Stored, password: str | None) -> bool:
        if password is None:
            return False
        with self._passwords.room():
            return await self._passwords.verify(password, user)

    async def shares_exam(self, actor: Actor, user: Stored) -> bool:
        """Whether `user` is assigned to an exam that `actor` may see."""
        wanted = {"users": 1, "organisationId": 1}
        assigned = await self._database.exams.find({"users": user["_id"]}, wanted).to_list(None)
        return any(sees_exam(actor, exam) for exam in assigned)

    async def record(self, actor: Actor, user: Stored) -> dict[str, Any]:
        """A UserRecord: the user with its organisation, and those of its exams and sessions that `actor` may see."""
        organisation = await self._database.organisations.find_one({"_id": user["organisationId"]})
        assigned = await self._database.exams.find({"users": user["_id"]}).sort("_id", 1).to_list(None)
        sessions = await self._database.sessions.find({"userId": user["_id"]}).sort("_id", 1).to_list(None)
        known = {exam["_id"]: exam for exam in assigned}
        # Who was taken off an exam has its session there all the same.
        known |= await find_by_ids(self._database.exams, {one["examId"] for one in sessions} - known.keys())
        exams = [exam for exam in assigned if sees_exam(actor, exam)]
        seen = {exam_id for exam_id, exam in known.items() if sees_exam(actor, exam)}
        sessions = [session for session in sessions if session["examId"] in seen]
        return shape(User, user) | {
            "organisation": organisation and shape(OrganisationName, organisation),
            "exams": [shape(ExamTitle, exam) for exam in exams],
            "sessions": [shape(SessionStatus, session) for session in sessions],
        }

    async def update(self, user: Stored, changes: dict[str, Any], password: str | None) -> tuple[Stored, bool]:
        """The changed user, and whether its tokens were revoked: a new role or password does that.

        Conflict where the e-mail is taken, and where the user got another role meanwhile: it was by the role of `user`
        that the change was allowed.
        """
        new_role = changes.get("role", user["role"]) != user["role"]
        revoked = new_role or password is not None
        if "email" in changes:
            changes["emailKey"] = changes["email"].casefold()
        if password is not None:
            changes |= await self._passwords.hash(password)
        if revoked:
            changes["tokensValidFrom"] = now()
        if new_role and user["role"] != Role.STUDENT:
            changes["wasStaff"] = True  # what they wrote as that has to be found when they are erased
        async with self._organisations.lock(user["organisationId"]):
            if new_role:
                await self.refuse_last_admin(user)
            same = {"_id": user["_id"], "role": user["role"]}
            try:
                change = {"$set": changes | {"updatedAt": now()}} | (STAYS if new_role else {})
                written = await self._database.users.update_one(same, change)
            except DuplicateKeyError as error:
                raise Conflict("This e-mail address is taken.") from error
        changed = await self.by_id(user["_id"])
        if not written.matched_count:
            raise Conflict("The user's role has changed meanwhile.")
        return changed, revoked

    async def delete(self, user: Stored) -> None:
        """Conflict for an organisation's last ADMIN and for one who has sessions."""
        async with self._organisations.lock(user["organisationId"]):
            if await self._database.sessions.find_one({"userId": user["_id"]}):
                raise Conflict("The user has proctoring sessions.")
            await self.refuse_last_admin(user)
            await self._database.users.delete_one({"_id": user["_id"]})
            await self._database.exams.update_many({"users": user["_id"]}, {"$pull": {"users": user["_id"]}})

    async def unassign(self, user_id: ObjectId, organisation_id: ObjectId | None) -> None:
        """Take somebody who is gone off all exams, with what they were granted there."""
        exams = self._database.exams
        await exams.update_many({"users": user_id}, {"$pull": {"users": user_id}})
        granted = {"organisationId": organisation_id, "accommodations.userId": user_id}
        await exams.update_many(granted, {"$pull": {"accommodations": {"userId": user_id}}})

    async def assignable(
        self,
        organisation_id: ObjectId,
        user_ids: Iterable[ObjectId],
        roles: Container[str] = (Role.STUDENT, Role.PROCTOR),
    ) -> set[ObjectId]:
        """Which of these are students or proctors of the organisation, or have one of `roles` there."""
        found = await find_by_ids(self._database.users, user_ids, {"organisationId": 1, "role": 1})
        return {
            user["_id"]
            for user in found.values()
            if user["organisationId"] == organisation_id and user["role"] in roles
        }

    async def refuse_last_admin(self, user: Stored) -> None:
        """Conflict for an organisation's last ADMIN. To be held under the organisation's lock.

        Who is leaving does not count. So two nodes that take away the last two in one instant may both be refused, and
        never both do it.
        """
        if user["role"] != Role.ADMIN.value:
            return
        users, it = self._database.users, {"_id": user["_id"]}
        await users.update_one(it, leaves())
        others = {"organisationId": user["organisationId"], "role": Role.ADMIN.value, "_id": {"$ne": user["_id"]}}
        if all(map(is_leaving, await users.find(others, {"leavingAt": 1}).to_list(None))):
            await users.update_one(it, STAYS)
            raise Conflict("This is the organisation's last ADMIN.")
