"""The customer's workflow guide, over real HTTP and real sockets."""

from __future__ import annotations

from tests.clients import Api, uuid
from tests.conftest import Connect, Person


async def test_from_the_first_organisation_to_a_tab_change_that_a_console_sees(
    api: Api, sales: Person, connect: Connect
) -> None:
    organisation = await sales.api.ok("POST", "/routes/organisations", {"name": "New Organisation"})
    assert organisation["selfRegistration"] is True
    of = {"password": "password123", "organisationId": organisation["id"]}

    async def sign_in(email: str) -> Api:
        answer = await api.ok("POST", "/routes/auth/login", {"email": email, "password": "password123"})
        assert answer["expiresIn"] == 12 * 3600
        return api.as_(answer["token"])

    body = {"name": "Admin Name", "email": "admin@example.com", "role": "ADMIN"} | of
    await sales.api.ok("POST", "/routes/users", body)
    admin = await sign_in("admin@example.com")
    body = {"name": "Proctor Name", "email": "proctor@example.com", "role": "PROCTOR"} | of
    proctor_id = (await admin.ok("POST", "/routes/users", body))["id"]
    proctor = await sign_in("proctor@example.com")
    body = {"name": "User Name", "email": "user@example.com", "role": "STUDENT"} | of
    student_id = (await api.ok("POST", "/routes/users", body))["id"]
    student = await sign_in("user@example.com")

    body = {"title": "Algebra", "duration": 60, "users": [proctor_id, student_id]}
    exam = await admin.ok("POST", "/routes/exams", body)
    session = await student.ok("POST", "/routes/proctoring/start", {"examId": exam["id"]})
    assert session["status"] == "ACTIVE"
    assert session["user"] == {"id": student_id, "name": "User Name"}

    console = await connect("/proctor", proctor.token)
    joined = await console.ok("join", {"examId": exam["id"]})
    assert [one["type"] for one in joined["activity"]] == ["session_started"]
    assert [one["id"] for one in joined["sessions"]] == [session["id"]]

    client_id = uuid()
    browser = await connect("/exam", student.token, client_id)
    started = await browser.ok("start", {"examId": exam["id"]})
    assert started["session"]["id"] == session["id"]
    assert started["session"]["connectivity"] == "ONLINE"
    assert (await console.activity("connected"))["offset"] == 2

    ack = await browser.ok("tab_change", {"seq": 1, "hidden": True})
    seen = await console.activity("tab_change")
    assert (seen["id"], seen["offset"], seen["clientId"], seen["seq"]) == (ack["id"], ack["offset"], client_id, 1)
    assert (seen["severity"], seen["source"], seen["data"]) == ("medium", "client", {"hidden": True})
    stored = await proctor.ok("GET", f"/routes/proctoring/{session['id']}/activity?type=tab_change")
    assert stored == [seen]

    beat = await browser.ok("heartbeat", {})
    heartbeats = await proctor.ok("GET", f"/routes/proctoring/{session['id']}/heartbeats")
    assert heartbeats == [{"receivedAt": beat["serverTime"]}]

    await console.ok("chat", {"requestId": uuid(), "examId": exam["id"], "text": "Ten minutes left."})
    told = await browser.next("chat")
    assert (told["text"], told["from"]) == ("Ten minutes left.", {"name": "Proctor Name"})

    ended = await browser.ok("end", {})
    assert (ended["session"]["status"], ended["session"]["connectivity"]) == ("SUBMITTED", "CLOSED")
    pushed = await console.until("presence", lambda message: message["items"][0]["status"] == "SUBMITTED")
    assert pushed["items"][0]["rev"] == ended["session"]["rev"]
    log = await proctor.ok("GET", f"/routes/exams/{exam['id']}/activity")
    assert [one["offset"] for one in log] == list(range(1, len(log) + 1))
    types = ["session_started", "connected", "tab_change", "chat", "session_ended"]
    assert [one["type"] for one in log] == types
