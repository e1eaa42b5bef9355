"""What one would otherwise write in Python: python-socketio on aiohttp and Motor, as their tutorials have it.

A peer to measure against. It does what the measurements ask for, and nothing of what makes the rest of a server. It
has no secondary index to keep but the one on its sessions, which is in its favour. Without DATABASE_URL it stores
nothing.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import Any

import jwt
import socketio
from aiohttp import web
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient

SECRET = os.environ["JWT_SECRET"]
DATABASE_URL = os.environ.get("DATABASE_URL")

db: Any = AsyncIOMotorClient(DATABASE_URL).get_default_database() if DATABASE_URL else None
sio = socketio.AsyncServer(async_mode="aiohttp")


def ok(data: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "data": data}


def fail(code: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code}}


def authenticate(auth: dict[str, Any] | None, *roles: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            (auth or {}).get("token", ""),
            SECRET,
            algorithms=["HS256"],
            audience="proctoring",
            issuer="proctoring-server",
            leeway=1,
        )
    except jwt.InvalidTokenError as error:
        raise socketio.exceptions.ConnectionRefusedError("unauthorized") from error
    if claims["role"] not in roles:
        raise socketio.exceptions.ConnectionRefusedError("forbidden")
    return claims


async def find_exam(exam_id: str, user_id: ObjectId) -> dict[str, Any] | None:
    """The exam that this user is assigned to."""
    if db is None:
        return {"_id": ObjectId(exam_id), "title": "No database"}
    found: dict[str, Any] | None = await db.exams.find_one({"_id": ObjectId(exam_id), "users": user_id}, {"title": 1})
    return found


class Exam(socketio.AsyncNamespace):  # type: ignore[misc] # python-socketio ships no types
    async def on_connect(self, sid: str, environ: dict[str, Any], auth: dict[str, Any] | None) -> None:
        claims = authenticate(auth, "STUDENT")
        await self.save_session(sid, {"user_id": ObjectId(claims["sub"])})

    async def on_start(self, sid: str, data: dict[str, Any]) -> dict[str, Any]:
        state = await self.get_session(sid)
        exam = await find_exam(data["examId"], state["user_id"])
        if exam is None:
            return fail("not_found")
        key = {"examId": exam["_id"], "userId": state["user_id"]}
        session = await db.sessions.find_one(key) if db is not None else None
        if session is None:
            session = {"_id": ObjectId(), **key, "status": "ACTIVE", "startTime": datetime.now(UTC)}
            if db is not None:
                await db.sessions.insert_one(session)
        await self.save_session(sid, state | {"session": session})
        return ok({"session": {"id": str(session["_id"]), "status": session["status"]}, "exam": exam["title"]})

    async def on_heartbeat(self, sid: str, data: dict[str, Any]) -> dict[str, Any]:
        session = (await self.get_session(sid)).get("session")
        if session is None:
            return fail("conflict")
        now = datetime.now(UTC)
        if db is not None:
            await asyncio.gather(
                db.heartbeatLog.insert_one({"sessionId": session["_id"], "receivedAt": now}),
                db.sessions.update_one({"_id": session["_id"]}, {"$set": {"lastHeartbeatAt": now}}),
            )
        return ok({"serverTime": now.isoformat(), "status": session["status"]})

    async def on_tab_change(self, sid: str, data: dict[str, Any]) -> dict[str, Any]:
        session = (await self.get_session(sid)).get("session")
        if session is None:
            return fail("conflict")
        now = datetime.now(UTC)
        record = {
            "_id": ObjectId(),
            "examId": session["examId"],
            "sessionId": session["_id"],
            "userId": session["userId"],
            "type": "tab_change",
            "seq": data.get("seq"),
            "receivedAt": now,
            "data": {"hidden": data.get("hidden", True)},
        }
        if db is not None:
            await db.activityLog.insert_one(record)
        item = {name: str(record[name]) for name in ("examId", "sessionId", "userId")}
        item |= {"id": str(record["_id"]), "receivedAt": now.isoformat()}
        item |= {name: record[name] for name in ("type", "seq", "data")}
        await sio.emit(
            "activity", {"examId": item["examId"], "items": [item]}, room=item["examId"], namespace="/proctor"
        )
        return ok({"id": item["id"]})


class Proctor(socketio.AsyncNamespace):  # type: ignore[misc] # python-socketio ships no types
    async def on_connect(self, sid: str, environ: dict[str, Any], auth: dict[str, Any] | None) -> None:
        claims = authenticate(auth, "PROCTOR", "ADMIN")
        await self.save_session(sid, {"user_id": ObjectId(claims["sub"])})

    async def on_join(self, sid: str, data: dict[str, Any]) -> dict[str, Any]:
        exam = await find_exam(data["examId"], (await self.get_session(sid))["user_id"])
        if exam is None:
            return fail("not_found")
        await self.enter_room(sid, str(exam["_id"]))
        return ok({"exam": exam["title"]})


async def say_where(runner: web.AppRunner) -> None:
    host, port = runner.addresses[0][:2]
    print(f"Listening on http://{host}:{port}", flush=True)  # noqa: T201 who started it waits for this line


async def main() -> None:
    app = web.Application()
    sio.attach(app)
    sio.register_namespace(Exam("/exam"))
    sio.register_namespace(Proctor("/proctor"))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    await say_where(runner)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
