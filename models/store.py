"""All that the handlers work with, made in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from models.commands import Commands
from models.database import Database
from models.exams import Exams
from models.expiry import Expiry
from models.heartbeats import Heartbeats
from models.idempotency import Idempotency
from models.lifetime import Lifetime
from models.log import ActivityLog
from models.orders import Orders
from models.organisations import Organisations
from models.passwords import Passwords
from models.presence import Presence
from models.record import Records
from models.recovery import recover
from models.sealing import Seals
from models.sessions import Sessions
from models.starting import Starting
from models.tab_limit import TabLimit
from models.tokens import Tokens
from models.upgrade import upgrade
from models.users import Users
from models.watch import Watch


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
    commands: Commands
    orders: Orders
    tab_limit: TabLimit
    watch: Watch
    seals: Seals
    records: Records
    lifetime: Lifetime
    idempotency: Idempotency
    expiry: Expiry

    @classmethod
    def on(
        cls,
        database: Database,
        passwords: Passwords,
        secret: str,
        token_ttl: timedelta,
        heartbeat_interval: timedelta = timedelta(seconds=5),
        seal_key: bytes | None = None,
    ) -> Store:
        organisations = Organisations(database)
        users = Users(database, organisations, passwords)
        log = ActivityLog(database)
        exams = Exams(database, organisations, users, log)
        heartbeats = Heartbeats(database)
        sessions = Sessions(database, exams, log, heartbeats)
        commands = Commands(database)
        sessions.subscribe(commands.sessions_changed)
        orders = Orders(database, sessions, log, commands)
        seals = Seals(database, sessions, log, seal_key)
        sessions.subscribe(seals.changed)
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
            commands=commands,
            orders=orders,
            tab_limit=TabLimit(log, orders),
            watch=Watch(sessions, Presence(sessions.changes, log), heartbeat_interval),
            seals=seals,
            records=Records(database, log, seals),
            lifetime=Lifetime(database),
            idempotency=Idempotency(database),
            expiry=Expiry(database),
        )

    async def open(self) -> None:
        """Ensure the indexes and take up what an earlier process left."""
        await self.database.ping()
        await self.database.ensure_indexes()
        await upgrade(self.database)
        await self.heartbeats.open()
        down = await self.lifetime.down()
        await self.watch.open(await recover(self.database, self.sessions, self.log, self.orders, down))
        self.lifetime.open()
        self.commands.open()
        self.expiry.periodic.open()
        self.seals.periodic.open()

    async def close(self) -> None:
        await self.seals.periodic.close()
        await self.expiry.periodic.close()
        await self.watch.close()
        await self.commands.close()
        await self.log.close()
        await self.sessions.close()
        await self.heartbeats.close()
        await self.lifetime.close()
        self.passwords.close()
        self.database.close()
