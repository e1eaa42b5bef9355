"""What must be true after every fault: the same for all."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import aiohttp
from bson import ObjectId

from models.database import Database, Stored, patience
from models.summary import Summary
from server.rehearse.supervisor import judge
from tests.faults.deployment import Deployment, Node
from tests.faults.load import Load

_AGREE_S: Final = 20.0
_LOOKED_AT: Final = 100  # students, for their heartbeats: a node reads those of all to find those of one
_DURATION: Final = 180  # minutes, of the exam that bench/world.py makes
_CALLED_AFTER: Final = {"LATE": 2, "MISSING": 4}  # intervals without a heartbeat
_SHOWN: Final = 5  # false alarms: mostly they are alike
_COMPARED: Final = ("rev", "status", "connectivity", "endTime", "deadline", "timeLedger", "verdict", "hand")

_Sessions: TypeAlias = dict[str, dict[str, Any]]  # by id


@dataclass(slots=True)
class Result:
    """What one fault came to. `back_s`: for how long each student who was cut off was not served, in order."""

    fault: str
    students: int
    consoles: int
    acked: int = 0
    missing: int = 0
    twice: int = 0
    gaps: int = 0
    false_alarms: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    complaints: Counter[str] = field(default_factory=Counter)  # tracebacks in the nodes' logs

    @property
    def problems(self) -> list[str]:
        """All that is not as it must be, a line each."""
        counted = {"acked but missing": self.missing, "there twice": self.twice, "gaps at consoles": self.gaps}
        alarms = sorted(f"false alarm: {one}" for one in self.false_alarms)
        more = [f"and {len(alarms) - _SHOWN} more"] if len(alarms) > _SHOWN else []
        return [
            *(f"{what}: {number}" for what, number in counted.items() if number),
            *(f"a node ended with {status}" for status in self.exits if status),
            *self.wrong,
            *alarms[:_SHOWN],
            *more,
        ]

    @property
    def good(self) -> bool:
        return not self.problems


async def check(fault: str, deployment: Deployment, load: Load) -> Result:
    """Look at all that there is, once every student has handed in."""
    result = Result(fault, len(load.students), len(load.consoles))
    log = await read_log(deployment.database_url, load.world.exam_id)
    nodes = [node for node in deployment.nodes if node.running]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {load.proctor_token}"}) as http:
        sessions = await _agreed(http, nodes, load, log, result)
        await load.leave()
        result.wrong += await _heartbeats(http, nodes, load)
        paths = [f"{nodes[0].url}/routes/proctoring/{student.session_id}/commands" for student in load.students]
        commands = [command for of_one in await _get_all(http, paths) for command in of_one]
    compare_log(result, load, log)
    result.false_alarms += false_alarms(load, log)
    told = [{"type": one["type"], "sessionId": str(one["sessionId"]) if one["sessionId"] else None} for one in log]
    judged = [one for one in told if one["type"] != "heartbeat_missing"]  # see `false_alarms`
    ahead_s = deployment.clock.rise(*load.supervisor.paused) if deployment.clock else 0.0
    result.wrong += judge(load.supervisor, _DURATION, load.students, sessions, commands, judged, ahead_s)
    if crashes := load.tally.refused["internal"]:
        result.wrong.append(f"{crashes} events were answered `internal`")
    result.back_s = load.back_s()
    result.exits = [status for node in deployment.nodes for status in node.exits]
    result.complaints.update(line for node in deployment.nodes for line in node.complaints())
    return result


async def read_log(database_url: str, exam_id: str) -> list[Stored]:
    """An exam's log as it is stored, in order."""
    database = Database(database_url)
    try:
        with patience():
            log: list[Stored] = await database.activity.find({"examId": ObjectId(exam_id)}).to_list(None)
    finally:
        database.close()
    return sorted(log, key=lambda record: int(record["offset"]))


def compare_log(result: Result, load: Load, log: list[Stored]) -> None:
    """Every acked activity is in the log once, the log has no hole, and every console has all of it in order."""
    stored = Counter((one["clientId"], one["seq"]) for one in log if one["clientId"] and one["seq"])
    result.acked = len(load.tally.acked)
    result.missing = sum(event not in stored for event in load.tally.acked)
    result.twice = sum(times > 1 for times in stored.values()) + len(load.tally.twice())
    if [one["offset"] for one in log] != list(range(1, len(log) + 1)):
        result.wrong.append("the log has a hole, or an offset twice")
    ids = [str(one["id"]) for one in log]
    for watched in load.tally.consoles:
        result.gaps += watched.gaps
        if watched.ids != ids:
            result.wrong.append(f"a console has {len(watched.ids)} activities of {len(ids)}, or others")


def false_alarms(load: Load, log: list[Stored]) -> list[str]:
    """Who was called late or missing before that was due, a second device or an end that nobody made."""
    silences = load.silences()
    heard = {
        state: {session_id for session_id, silence in silences.items() if silence < intervals}
        for state, intervals in _CALLED_AFTER.items()
    }
    called = {one for console in load.consoles for one in console.called}
    found = [
        f"{connectivity} after {silences[session_id]:.1f} intervals"
        for session_id, connectivity in sorted(called)
        if session_id in heard[connectivity]
    ]
    for one in log:
        session_id = str(one["sessionId"])
        if one["type"] == "heartbeat_missing" and session_id in heard["MISSING"]:
            found.append(f"heartbeat_missing after {silences[session_id]:.1f} intervals")
        elif one["type"] == "second_connection":
            found.append("second_connection")
        elif one["type"] == "session_ended" and one["source"] == "server":
            found.append(f"session_ended by the server, {one['data']}")
    return found


async def _agreed(
    http: aiohttp.ClientSession, nodes: list[Node], load: Load, log: list[Stored], result: Result
) -> list[dict[str, Any]]:
    """The sessions, once nodes, consoles and the log say the same of them; what they differ in is wrong."""
    until = asyncio.get_running_loop().time() + _AGREE_S
    while True:
        views = [await _sessions(http, node, load.world.exam_id) for node in nodes]
        differ = _differ(views, [console.sessions for console in load.consoles], log)
        behind = sum(len(watched.ids) < len(log) for watched in load.tally.consoles)
        if not differ and not behind:
            break
        if asyncio.get_running_loop().time() > until:
            result.wrong += differ + ([f"{behind} consoles are behind the log"] if behind else [])
            break
        await asyncio.sleep(0.5)
    return list(views[0].values())


def _differ(nodes: list[_Sessions], consoles: list[_Sessions], log: list[Stored]) -> list[str]:
    """Consoles count by themselves what they are pushed: a session is shown anew when its state changes."""
    summaries = defaultdict[str, Summary](Summary)
    for record in log:
        summaries[str(record["sessionId"])].add(record)
    found = Counter[str]()
    for session_id, session in nodes[0].items():
        for view in (*nodes, *consoles):
            for name in _COMPARED:
                found[name] += view.get(session_id, {}).get(name) != session[name]
        for view in nodes:
            found["counts, from the log"] += view[session_id]["counts"] != summaries[session_id].counts
        found["verdict, from the log"] += session["verdict"] != summaries[session_id].verdict
    return [f"{times} sessions differ in {name}" for name, times in found.items() if times]


async def _sessions(http: aiohttp.ClientSession, node: Node, exam_id: str) -> _Sessions:
    found: _Sessions = {}
    after = ""
    while page := await _get(http, f"{node.url}/routes/proctoring?examId={exam_id}&limit=500{after}"):
        found |= {one["id"]: one for one in page}
        after = f"&after={page[-1]['id']}"
    return found


async def _heartbeats(http: aiohttp.ClientSession, nodes: list[Node], load: Load) -> list[str]:
    """Each acked one is there at every node; where hints are late, a little later."""
    left = [(student, node) for student in load.students[:_LOOKED_AT] for node in nodes]
    until = asyncio.get_running_loop().time() + _AGREE_S
    while True:
        paths = [f"{node.url}/routes/proctoring/{one.session_id}/heartbeats?limit=500" for one, node in left]
        kept = await _get_all(http, paths)
        left = [one for one, beats in zip(left, kept, strict=True) if len(beats) < one[0].beats_acked]
        if not left or asyncio.get_running_loop().time() > until:
            return [f"{len(left)} times acked heartbeats of a student are missing at a node"] if left else []
        await asyncio.sleep(0.5)


async def _get_all(http: aiohttp.ClientSession, urls: Sequence[str]) -> list[Any]:
    """A few at once."""
    at_once = asyncio.Semaphore(8)

    async def one(url: str) -> Any:
        async with at_once:
            return await _get(http, url)

    return await asyncio.gather(*map(one, urls))


async def _get(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(url) as response:
        assert response.status == 200, (url, response.status, await response.text())
        return await response.json()
