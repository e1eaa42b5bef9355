"""Every attack in a small size: what is refused, that the server lives, that no honest student loses an event."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from server.app import running
from server.settings import Settings
from tests.clients import EVENTS
from tests.conftest import SECRET
from tests.security.attack import Attack, Target, call
from tests.security.honest import Hall, Where
from tests.security.payloads import PAYLOADS
from tests.security.registry import CLEVER, MANY
from tests.security.tokens import signed_wrongly
from tests.security.world import World, make_world

# How an attack must have been answered, at least once; what else comes is the attack's own affair.
REFUSED = {
    "forged tokens": {"unauthorized"},
    "operators in REST": {"invalid_payload", "not_found"},
    "operators in events": {"invalid_payload"},
    "payloads of every event": {"invalid_payload"},
    "slowloris: bodies": {"still open"},
    "bodies of 2 MiB": {"payload_too_large"},
    "frames larger than may be": {"closed"},
    "ack storm: events that there are not": {"unknown_event"},
    "malformed packets": {"closed"},
    "guessed passwords": {"unauthorized"},
}
HONEST = 4


@contextlib.asynccontextmanager
async def attacked(mongodb: str, folder: Path, *, rate_limits: bool) -> AsyncIterator[Target]:
    """A server as it comes, but for a quick hash and, without `rate_limits`, for them."""
    settings = Settings(
        _env_file=None,
        port=0,
        database_url=f"{mongodb}/attacked{uuid4().hex}",
        jwt_secret=SECRET,
        data_dir=folder,
        pbkdf2_iterations=1,
        rate_limits=rate_limits,
        connects_burst=1000,
    )
    async with running(settings) as server:
        world = await make_world(server.store, honest=HONEST, insiders=250, crowd=60)
        yield Target(server.url, server.ws_url, world)
        await server.store.database.drop()


@pytest.fixture(scope="module")
async def limited(mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    async with attacked(mongodb, tmp_path_factory.mktemp("limited"), rate_limits=True) as target:
        yield target


@pytest.fixture(scope="module")
async def unlimited(mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    """Where what is looked for is not how many, but what."""
    async with attacked(mongodb, tmp_path_factory.mktemp("unlimited"), rate_limits=False) as target:
        yield target


@contextlib.asynccontextmanager
async def honest(target: Target) -> AsyncIterator[Hall]:
    """The honest students, who take part until the end."""
    world: World = target.world
    people = [(one.id, one.token) for one in world.honest]
    where = Where(target.url, target.ws_url, world.school.exam_id, world.school.proctor.token, people)
    hall = Hall(where)
    await hall.enter()
    yield hall
    await hall.leave()


@pytest.mark.parametrize("attack", MANY, ids=[one.name for one in MANY])
async def test_no_honest_student_loses_an_event_under(
    limited: Target, caplog: pytest.LogCaptureFixture, attack: Attack
) -> None:
    await hold_out(limited, attack, caplog)


# Hypothesis looks at `random` before and after it makes a case, in a thread; the students draw from it meanwhile.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("attack", CLEVER, ids=[one.name for one in CLEVER])
async def test_nothing_is_found_by(unlimited: Target, caplog: pytest.LogCaptureFixture, attack: Attack) -> None:
    await hold_out(unlimited, attack, caplog)


async def hold_out(target: Target, attack: Attack, caplog: pytest.LogCaptureFixture) -> None:
    async with honest(target) as hall:
        outcome = await attack.run(target, attack.small)
        await hall.heard()
        figures = await hall.report()
    assert outcome.tried > 0
    assert outcome.wrong == []
    assert asdict(figures)["lost"] == []
    assert figures.acks >= HONEST
    assert REFUSED.get(attack.name, set()) <= set(outcome.seen), outcome.seen
    assert [one.getMessage() for one in caplog.records if one.exc_info and one.levelname == "ERROR"] == []
    async with aiohttp.ClientSession() as http:
        assert (await call(http, target, None, "GET", "/readyz"))[0] == 200


async def test_a_token_that_the_servers_own_secret_signed_must_be_right_in_every_claim(
    unlimited: Target,
) -> None:
    target = unlimited
    async with aiohttp.ClientSession() as http:
        for what, token in signed_wrongly(target.world.insiders[0], SECRET):
            status, body = await call(http, target, token, "GET", "/routes/auth/me")
            assert (status, body["error"]["code"]) == (401, "unauthorized"), what
        assert (await call(http, target, target.world.insiders[0], "GET", "/routes/auth/me"))[0] == 200


def test_every_event_of_every_namespace_has_a_good_payload_to_begin_with() -> None:
    assert set(PAYLOADS) == {(path, event) for path, events in EVENTS.items() for event in events}
