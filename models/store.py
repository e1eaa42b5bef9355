"""All that the handlers work with, made in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from models.audit import Audit
from models.commands import Commands
from models.database import Database
from models.erasure import Erasures
from models.exams import Exams
from models.expiry import Expiry
from models.export import Exports
from models.forgetting import Forgetting
from models.heartbeats import Heartbeats
from models.hints import Hints
from models.idempotency import Idempotency
from models.keeping import Retention
from models.log import ActivityLog
from models.measures import Measures
from models.migrations import migrate
from models.nodes import Nodes
from models.orders import Orders
from models.organisations import Organisations
from models.passwords import Passwords
from models.presence import Presence
from models.record import Records
from models.recovery import Recovery
from models.redaction import Redaction
from models.retention import Sweep
from models.sealing import Seals
from models.sessions import Sessions
from models.starting import Starting
from models.tab_limit import TabLimit
from models.tokens import Tokens
from models.users import Users
from models.watch import Watch


@dataclass(frozen=True, slots=True)
class Store:
    database: Database
    measures: Measures
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
    hints: Hints
    nodes: Nodes
    recovery: Recovery
    idempotency: Idempotency
    expiry: Expiry
    audit: Audit
    forgetting: Forgetting
    erasures: Erasures
    retention: Sweep
    exports: Exports

    @classmethod
    def on(
        cls,
        database: Database,
        passwords: Passwords,
        secret: str,
        token_ttl: timedelta,
        heartbeat_interval: timedelta = timedelta(seconds=5),
        seal_key: bytes | None = None,
        retention: Retention | None = None,
        audit_days: int | None = None,
    ) -> Store:
        hints = Hints()
        nodes = Nodes(database, hints)
        days = (retention or Retention()).model_dump(by_alias=True)
        organisations = Organisations(database, days)
        users = Users(database, organisations, passwords)
        log = ActivityLog(database, hints)
        exams = Exams(database, organisations, users, log)
        heartbeats = Heartbeats(database, hints, nodes.serves)
        sessions = Sessions(database, exams, log, heartbeats, hints)
        commands = Commands(database, hints)
        sessions.subscribe(commands.sessions_changed, own=True)
        orders = Orders(database, sessions, log, commands, hints)
        seals = Seals(database, sessions, log, seal_key)
        sessions.subscribe(seals.changed)
        idempotency = Idempotency(database)
        audit = Audit(database)
        forgetting = Forgetting(database, hints)
        for subscriber in (log.erased, commands.erased, sessions.erased):
            forgetting.subscribe(subscriber)
        redaction = Redaction(database, log, seals, forgetting)
        return cls(
            database=database,
            measures=database.measures,
            passwords=passwords,
            tokens=Tokens(database, secret, token_ttl),
            organisations=organisations,
            users=users,
            exams=exams,
            log=log,
            heartbeats=heartbeats,
            sessions=sessions,
            starting=Starting(database, exams, log, sessions, hints),
            commands=commands,
            orders=orders,
            tab_limit=TabLimit(log, orders),
            watch=Watch(sessions, Presence(sessions.changes, log), heartbeat_interval, hints, nodes),
            seals=seals,
            records=Records(database, log, seals),
            hints=hints,
            nodes=nodes,
            recovery=Recovery(database, sessions, log, orders, nodes.serves),
            idempotency=idempotency,
            expiry=Expiry(database),
            audit=audit,
            forgetting=forgetting,
            erasures=Erasures(
                database, organisations, users, sessions, heartbeats, redaction, forgetting, idempotency, audit
            ),
            retention=Sweep(database, redaction, heartbeats, audit, days, audit_days),
            exports=Exports(database, log, sessions, heartbeats, commands, seals, audit),
        )

    async def open(self, prepare: Callable[[Database], Awaitable[object]] = migrate) -> None:
        """Let `prepare` see to the database, and take up what an earlier process left."""
        await self.database.ping()
        await prepare(self.database)
        down = await self.nodes.begin()
        await self.heartbeats.open()
        await self.watch.open(await self.recovery.recover(down))
        self.nodes.on_lost(self._take_over)
        self.nodes.open()
        self.commands.open()
        self.expiry.periodic.open()
        self.seals.periodic.open()
        for one in (self.forgetting, self.erasures, self.retention):
            one.periodic.open()

    async def _take_over(self, nodes: frozenset[str]) -> None:
        """See to what these nodes, which were lost, saw to."""
        self.watch.spare(nodes)
        await self.heartbeats.take_up(nodes)
        await self.watch.take_over(nodes, await self.recovery.recover(None))

    async def close(self) -> None:
        await self.hints.close()
        for one in (self.retention, self.erasures, self.forgetting):
            await one.periodic.close()
        await self.audit.close()
        await self.seals.periodic.close()
        await self.expiry.periodic.close()
        await self.watch.close()
        await self.commands.close()
        await self.log.close()
        await self.sessions.close()
        await self.heartbeats.close()
        await self.nodes.close()
        self.passwords.close()
        self.database.close()
