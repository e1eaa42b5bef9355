"""All that the handlers work with, made in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from models.database import Database
from models.exams import Exams
from models.expiry import Expiry
from models.heartbeats import Heartbeats
from models.idempotency import Idempotency
from models.log import ActivityLog
from models.organisations import Organisations
from models.passwords import Passwords
from models.recovery import recover
from models.sessions import Sessions
from models.starting import Starting
from models.tokens import Tokens
from models.users import Users


@dataclass(frozen=True, slots=True)
class Store:
    database: Database
    passwords: Passwords
    tokens: Tokens
    organisations: Organisations
    users: Users
    exams: Exams
    log: ActivityLog
    heartbeats: Heartbeats
    sessions: Sessions
    starting: Starting
    idempotency: Idempotency
    expiry: Expiry

    @classmethod
    def on(cls, database: Database, passwords: Passwords, secret: str, token_ttl: timedelta) -> Store:
        organisations = Organisations(database)
        users = Users(database, organisations, passwords)
        exams = Exams(database, organisations, users)
        log = ActivityLog(database)
        heartbeats = Heartbeats(database)
        sessions = Sessions(database, exams, log, heartbeats)
        return cls(
            database=database,
            passwords=passwords,
            tokens=Tokens(database, secret, token_ttl),
            organisations=organisations,
            users=users,
            exams=exams,
            log=log,
            heartbeats=heartbeats,
            sessions=sessions,
            starting=Starting(database, exams, log, sessions),
            idempotency=Idempotency(database),
            expiry=Expiry(database),
        )

    async def open(self) -> None:
        """Ensure the indexes and take up what an earlier process left."""
        await self.database.ping()
        await self.database.ensure_indexes()
        await self.heartbeats.open()
        await recover(self.database, self.sessions, self.log)
        self.expiry.open()

    async def close(self) -> None:
        await self.expiry.close()
        await self.log.close()
        await self.sessions.close()
        await self.heartbeats.close()
        self.passwords.close()
        self.database.close()
