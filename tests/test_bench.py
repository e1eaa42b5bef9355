"""The measuring: its generator counts right, its peers do what they claim, its page says what was measured."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from bench import frames, pace, report, results
from bench.books import Books, median
from bench.faults import judge
from bench.hall import Hall, hall_of
from bench.people import Console, Reader, Student
from bench.processes import PEERS, Process, server_process
from bench.results import Measured, Run
from bench.scenarios import SCENARIOS, Size
from bench.soak import Exam, memory_figures
from bench.targets import targets
from bench.world import make_world, open_store

EXAM_ID = "65f1c0ffee0123456789abcd"


@pytest.fixture
def database(mongodb: str) -> Process:
    """The run's database; as for its CPU, this process stands in for it."""
    host, _, port = mongodb.removeprefix("mongodb://").partition(":")
    return Process(os.getpid(), host, int(port))


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_a_servers_frame_is_read_once_it_is_whole(length: int) -> None:
    wide = (1, b"") if length < 126 else (2, b"\x7e") if length < 65536 else (8, b"\x7f")
    payload = bytes(length)
    data = b"\x81" + wide[1] + length.to_bytes(wide[0], "big") + payload
    for cut in [*range(min(12, len(data))), len(data) - 1]:
        assert frames.next_frame(b"xx" + data[:cut], 2) is None
    assert frames.next_frame(b"xx" + data + b"\x81", 2) == (0x81, payload, 2 + len(data))


@pytest.mark.parametrize("name", ["ours", "node", "plain"])
async def test_a_server_stores_what_it_acks_and_tells_every_console_once(name: str, database: Process) -> None:
    url = f"mongodb://{database.host}:{database.port}/bench{uuid4().hex}"
    store = open_store(url)
    world = await make_world(store, students=4, proctors=2)
    async with server_process(PEERS[name], url) as server:
        hall = Hall(world, server, database)
        await hall.enter(hall.students)
        await hall.enter(hall.consoles)
        for student in hall.students:
            for _ in range(5):
                student.change_tab(time.perf_counter())
                student.beat(time.perf_counter())
        await hall.drain()
        assert not hall.books.errors
        assert len(hall.books.acks.done) == 40
        assert [len(console.seen) for console in hall.consoles] == [20, 20]
        assert len(hall.books.deliveries.done) == 40
        hall.leave()
    beats, changes = ("heartbeatGroups", "activity") if name == "ours" else ("heartbeatLog", "activityLog")
    collections = store.database.users.database
    groups = await collections[beats].find().to_list(None)
    assert sum(len(group.get("times", [0])) for group in groups) == 20
    assert await collections[changes].count_documents({"type": "tab_change"}) == 20
    if name != "ours":
        beaten = await store.database.sessions.find().to_list(None)
        assert [bool(session["lastHeartbeatAt"]) for session in beaten] == [True] * 4
    await store.database.drop()
    await store.close()


@pytest.mark.parametrize("name", ["node-bare", "plain-bare", "echo"])
async def test_a_server_without_a_database_acks(name: str, database: Process) -> None:
    async with hall_of(PEERS[name], database, 3) as hall:
        await hall.enter(hall.students)
        for student in hall.students:
            student.beat(time.perf_counter())
        await hall.drain()
        assert (len(hall.books.acks.done), hall.books.errors) == (3, Counter())


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is to settle where the figures do not matter."""
    monkeypatch.setattr("bench.hall._WARM_UP_S", 0.1)
    monkeypatch.setattr("bench.scenarios._SETTLE_S", 0.1)
    monkeypatch.setattr("bench.scenarios._INSIDE", 4)
    monkeypatch.setattr("bench.scenarios._RUSH_BEAT_S", 0.05)
    monkeypatch.setattr("bench.scenarios._WITHIN_S", 0.5)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario_measures(name: str, database: Process) -> None:
    size = Size(60 if "idle" in SCENARIOS[name].run.__name__ else 8, SCENARIOS[name].sizes[0].consoles, seconds=0.3)
    async with hall_of(PEERS["ours"], database, size.students, size.consoles) as hall:
        run = Run("ours", size, await SCENARIOS[name].run(hall, size), dict(hall.books.errors))
    assert not run.errors
    assert run.figures["rate"] > 0
    assert 0 < run.figures["ackP50Ms"] <= run.figures["ackP99Ms"] <= run.figures["ackMaxMs"]
    assert ("deliveries" in run.figures) == bool(size.consoles)
    assert list(report.tables({name: results.measured([run])}))


async def test_a_soak_whose_people_lose_their_connections_misses_nothing(database: Process) -> None:
    async with hall_of(PEERS["ours"], database, 4, 1) as hall:
        await hall.enter(hall.students)
        await hall.enter(hall.consoles)
        exam = Exam(hall)
        for client in (hall.students[0], hall.consoles[0]):
            exam.returns(client)(time.perf_counter())
        for student in hall.students:
            exam.if_here(student, student.change_tab)(time.perf_counter())
        await exam.everybody_is_back()
        await hall.drain()
        assert not hall.books.errors
        assert len(hall.consoles[0].seen) == 3  # of all but the student who was away


class Transport:
    """Takes what is written, says nothing."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False


def text(payload: str) -> bytes:
    return b"\x81" + bytes([len(payload)]) + payload.encode()


@pytest.fixture
async def student() -> Student:
    """One that is connected to nothing; the test plays the server."""
    student = Student(Books(), "token", EXAM_ID, "client")
    student.connection_made(Transport())
    student.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    return student


@pytest.mark.parametrize(
    ("answers", "acks", "errors"),
    [
        (['43/exam,1[{"ok":true,"data":{}}]'], 1, 0),
        (['43/exam,1[{"ok":true}]', '43/exam,1[{"ok":true}]'], 1, 1),
        (['43/exam,2[{"ok":true}]'], 0, 1),
        (['43/exam,1[{"ok":false,"error":{"code":"internal"}}]'], 0, 1),
        (["41/exam,"], 0, 1),
        (["2"], 0, 0),
    ],
)
async def test_an_ack_counts_once_and_only_if_it_says_ok(
    student: Student, answers: list[str], acks: int, errors: int
) -> None:
    student.beat(time.perf_counter())
    sent = b"".join(text(answer) for answer in answers)
    student.data_received(sent[:3])
    student.data_received(sent[3:])
    assert (len(student.books.acks.done), student.books.errors.total()) == (acks, errors)


async def test_a_connection_that_is_lost_is_an_error_unless_it_was_left(student: Student) -> None:
    student.leave()
    student.connection_lost(None)
    assert not student.books.errors
    other = Student(Books(), "token", EXAM_ID, "client")
    other.connection_made(Transport())
    other.connection_lost(None)
    assert other.books.errors.total() == 1
    with pytest.raises(Exception, match="connection lost"):
        await other._connected
    other.beat(time.perf_counter())
    assert (other.books.errors.total(), other.waiting) == (2, 0)


def pushed(*items: tuple[int, int]) -> bytes:
    """An `activity` of a student's tab changes: offset and seq."""
    listed = [{"offset": offset, "userId": "u", "seq": seq} for offset, seq in items]
    return json.dumps(["activity", {"examId": EXAM_ID, "items": listed}]).encode()


async def test_what_is_pushed_in_one_piece_with_the_ack_of_a_join_follows_what_the_ack_holds(student: Student) -> None:
    student.change_tab(0.0)
    student.change_tab(0.0)
    console = Console(student.books, "token", EXAM_ID, Reader({"u": student}))
    console.offset = 3
    connected = asyncio.Event()

    async def connect(host: str, port: int) -> None:
        console.connection_made(Transport())
        console.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        connected.set()

    console.connect = connect  # type: ignore[method-assign] # no server is there
    entering = asyncio.create_task(console.enter("", 0))
    await connected.wait()
    missed = json.dumps({"activity": json.loads(pushed((4, 1)))[1]["items"]})
    ack = b'43/proctor,1[{"ok":true,"data":' + missed.encode() + b"}]"
    push = b"42/proctor," + pushed((5, 2))
    console.data_received(b"".join(b"\x81\x7e" + len(one).to_bytes(2, "big") + one for one in (ack, push)))
    await entering
    assert (console.offset, len(console.seen), student.books.errors) == (5, 2, Counter())


@pytest.mark.parametrize(
    ("messages", "seen", "errors"),
    [
        ([pushed((4, 1), (5, 2))], 2, set()),
        ([pushed((4, 1)), pushed((5, 2))], 2, set()),
        ([pushed((4, 1)), pushed((6, 2))], 2, {"a hole in the log"}),
        ([pushed((4, 1), (6, 2))], 2, {"a hole in the log"}),
        ([pushed((4, 1)), pushed((5, 1))], 1, {"delivered twice"}),
        ([pushed((4, 1)), pushed((4, 1))], 1, {"a hole in the log", "delivered twice"}),
        ([b'["presence",{"items":[]}]'], 0, set()),
    ],
)
async def test_a_console_sees_holes_and_repeats(
    student: Student, messages: list[bytes], seen: int, errors: set[str]
) -> None:
    student.change_tab(0.0)
    student.change_tab(0.0)
    console = Console(student.books, "token", EXAM_ID, Reader({"u": student}))
    console.offset = 3
    for message in messages:
        console.pushed(message)
    assert (len(console.seen), set(student.books.errors)) == (seen, errors)


async def test_what_never_comes_is_an_error(database: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.hall._DRAIN_S", 0.1)
    async with hall_of(PEERS["echo"], database, 1) as hall:
        (student,) = hall.students
        await hall.enter([student])
        student.send(b"[", time.perf_counter())
        student.send(b"", time.perf_counter())
        await hall.drain()
    assert hall.books.errors["never acked"] == 1


async def test_actions_are_called_in_order_with_the_moment_at_which_they_were_due() -> None:
    begin, called = time.perf_counter(), list[tuple[str, float, bool]]()

    def action(name: str) -> pace.Action:
        return lambda due: called.append((name, due, time.perf_counter() >= due))

    moments = [begin - 1, begin + 0.01, begin + 0.01, begin + 0.05]
    await pace.at_moments(zip(moments, map(action, "abcd"), strict=True))
    assert called == [(name, due, True) for name, due in zip("abcd", moments, strict=True)]


async def test_an_action_that_fails_ends_the_traffic() -> None:
    def fail(_: float) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await asyncio.wait_for(pace.at_moments([(0.0, fail)]), 5)


def test_traffic_has_its_rate_and_is_the_same_in_every_run() -> None:
    actions = [lambda due: None] * 3
    first, again = (pace.at_random(100, actions, 5.0) for _ in range(2))
    moments = [moment for moment, _ in (next(first) for _ in range(1000))]
    assert moments == [moment for moment, _ in (next(again) for _ in range(1000))]
    assert moments == sorted(moments)
    assert 9 < moments[-1] - 5.0 < 11
    turns = pace.in_turn(2.0, actions, 5.0)
    turn = [moment for moment, _ in (next(turns) for _ in range(6))]
    assert all(5 <= moment < 7 for moment in turn[:3])
    assert [round(moment - 2.0, 9) for moment in turn[3:]] == [round(moment, 9) for moment in turn[:3]]


def test_latency_counts_from_when_an_event_was_due() -> None:
    books = Books()
    for due, done in ((0.5, 1.5), (1.2, 1.3), (1.9, 4.9)):
        books.acks.due.append(due)
        books.acks.done.append(done)
    of_open = books.figures(1.0, 2.0, by_due=True)
    assert (of_open["acks"], of_open["rate"]) == (2, 2)
    assert of_open["ackMaxMs"] == pytest.approx(3000)
    of_closed = books.figures(1.0, 2.0, by_due=False)
    assert of_closed["ackMaxMs"] == pytest.approx(1000)
    assert (median([3, 1, 2]), median([4, 1, 2, 3])) == (2, 2.5)


def found(**rates: list[float]) -> Measured:
    runs = [Run(peer, Size(500), {"rate": rate}) for peer, given in rates.items() for rate in given]
    return Measured("2026-01-01", "abc", "a machine", runs)


def test_a_target_is_a_ratio_of_medians() -> None:
    (target,) = targets({"heartbeat": found(ours=[100, 8000, 9000], node=[100, 100, 900])})
    assert (target.shown, target.met) == ("80.00 times", True)
    (target,) = targets({"heartbeat": found(ours=[7999], node=[100])})
    assert not target.met


def test_a_run_with_errors_counts_for_nothing() -> None:
    spoilt = found(ours=[8000, 1], node=[100])
    spoilt.runs[1] = replace(spoilt.runs[1], errors={"never acked": 1})
    (target,) = targets({"heartbeat": spoilt})
    assert target.met
    spoilt.runs[0] = replace(spoilt.runs[0], errors={"never acked": 1})
    (target,) = targets({"heartbeat": spoilt})
    assert (target.shown, target.met) == ("errors", False)


def test_memory_that_grows_is_told_from_memory_that_fills() -> None:
    fills = [(float(at), 100.0 + min(at, 50)) for at in range(100)]
    assert memory_figures(fills) == {"memoryMb": 150, "memoryMbAnHour": 0, "memoryGrowth": 0}
    grows = memory_figures([(float(at), 100.0 + at) for at in range(100)])
    assert grows["memoryMbAnHour"] == pytest.approx(3600)
    assert grows["memoryGrowth"] > 0.1


REHEARSED = """
event        sent  acked  seen  missing  ack p50   p99  delivery p50   p99
chat           10     10    10        0      4.0   9.0           4.0   9.0
heartbeat      20     19    20        {missing}      4.0   9.0
5 connections dropped and came back; 3 events sent again were known; 2 consoles, 0
gaps, 0 events seen twice
{verdict}
"""


def test_a_rehearsal_is_judged_by_what_it_says_and_how_it_ended() -> None:
    good = REHEARSED.format(missing=0, verdict="Nothing is missing.")
    run, said = judge(0, good, [(3.0, "server")])
    assert not run.errors
    assert run.figures == {"kills": 1, "acked": 29, "missing": 0, "twice": 0}
    assert said == "killed server at 3.0 s: 29 acked, 0 missing, 0 twice"
    bad = REHEARSED.format(missing=1, verdict="SOMETHING IS MISSING.")
    assert judge(1, bad, [])[0].figures["missing"] == 1
    for status, output in ((1, good), (0, bad), (0, "")):
        assert judge(status, output, [])[0].errors


def test_the_page_says_what_was_measured() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.filled(page, results.load()) == page


def test_results_are_read_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "PATH", tmp_path / "results.json")
    assert results.load() == {}
    first, second = found(ours=[1.0]), found(node=[2.0])
    results.save({"heartbeat": first, "herd": second})
    results.save({"heartbeat": second})
    assert results.load() == {"heartbeat": second, "herd": second}
