"""Lists show exactly what may be seen, page by page too, wherever they are said to begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from models.database import Stored
from tests.authorisation.columns import COLUMNS, cells_of
from tests.authorisation.lists import LISTS, SECRET, WITHHELD, Listing
from tests.authorisation.names import filled, names_in
from tests.authorisation.stored import everything_in
from tests.authorisation.world import World
from tests.clients import Api

_BY_ID: Final = {"organisations", "users", "exams", "sessions"}


class Database:
    """What is stored, read once; and by its own words what belongs to what."""

    def __init__(self, documents: dict[str, list[Stored]], world: World) -> None:
        self.documents, self.world = documents, world
        self.users_of = {exam["_id"]: exam["users"] for exam in documents["exams"]}

    def wanted(self, listing: Listing, column: str, letter: str) -> list[str]:
        """The ids that the cell stands for, in order."""
        me, named = self.world.people[column], [self.world.names[name] for name in names_in(listing.path)]
        belongs = self._belonging(letter, listing.collection, me, named[0] if named else "")
        found = [one for one in self.documents[listing.collection] if belongs(one) and listing.only(one)]
        return [str(one["id" if listing.collection in ("activity", "commands") else "_id"]) for one in found]

    def _belonging(self, letter: str, collection: str, me: Stored, named: str) -> Callable[[Stored], bool]:
        def exam_of(one: Stored) -> Any:
            return one["_id" if collection == "exams" else "examId"]

        def assigned(one: Stored) -> bool:
            return me["_id"] in self.users_of[exam_of(one)]

        def of_user(one: Stored) -> bool:
            return named in ([str(user) for user in one["users"]] if collection == "exams" else [str(one["userId"])])

        organisation = "_id" if collection == "organisations" else "organisationId"
        ways: dict[str, Callable[[Stored], bool]] = {
            "A": lambda _: True,
            "O": lambda one: bool(one[organisation] == me["organisationId"]),
            "S": assigned,
            "W": of_user,
            "P": lambda one: of_user(one) and assigned(one),
            "M": lambda one: bool(one["_id"] == me["_id"]),
            "E": lambda one: str(exam_of(one)) == named,
            "T": lambda one: str(one["sessionId"]) == named,
            "0": lambda _: False,
        }
        return ways[letter]


@pytest.fixture(scope="module")
async def database(world: World) -> Database:
    stored = await everything_in(world.store)
    documents = {name: sorted(of.values(), key=lambda one: one["_id"]) for name, of in stored.items() if name in _BY_ID}
    documents["activity"] = await world.store.database.activity.find().sort("_id", 1).to_list(None)
    documents["activity"].sort(key=lambda record: (record["examId"], record["offset"]))
    documents["commands"] = [
        {"id": command_id, "sessionId": session_id}
        for order in sorted(stored["orders"].values(), key=lambda order: order["at"])
        for command_id, session_id in order["commands"]
    ]
    return Database(documents, world)


async def ids(api: Api, path: str, listing: Listing) -> list[str]:
    """All ids of a list, following its pages."""
    found: list[str] = []
    while path:
        answer = await api.call("GET", path)
        assert answer.status == 200, (path, answer)
        found += [one["id"] for one in (answer.body[listing.at] if listing.at else answer.body)]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    return found


def asked(path: str, listing: Listing, way: str, begun: str, number: int) -> str:
    """The path with what reads the list, which has so many, in this way."""
    if listing.at is not None:
        return path
    more = (
        f"limit={max(1, number // 3)}"
        if way == "page by page"
        else f"limit=500&after={begun}"
        if begun
        else "limit=500"
    )
    return f"{path}{'&' if '?' in path else '?'}{more}"


@pytest.mark.parametrize("listing", LISTS, ids=[listing.name for listing in LISTS])
async def test_every_actor_is_shown_exactly_what_the_table_says(
    world: World, database: Database, listing: Listing
) -> None:
    path, wrong, shown = filled(listing.path, world.names), [], set()
    for column, letter in cells_of(listing.cells).items():
        if letter == "-":
            continue
        api, wanted = world.api(column), database.wanted(listing, column, letter)
        shown |= set(wanted)
        for way in listing.ways:
            begun = world.names.get(way, "")
            right = [one for one in wanted if one > begun] if listing.collection in _BY_ID else wanted
            found = await ids(api, asked(path, listing, way, begun, len(wanted)), listing)
            if found != right:
                wrong.append(f"{column}, {way}: {found}, not {right}")
    assert shown, "nobody is shown anything: would it be seen?"
    assert not wrong, f"{listing.name}\n" + "\n".join(wrong)


@pytest.mark.parametrize("path", WITHHELD)
async def test_a_student_is_not_told_what_the_table_withholds(world: World, path: str) -> None:
    told = {}
    for column in ("ADMIN", "STUDENT"):
        body = await world.api(column).ok("GET", filled(path, world.names))
        told[column] = set((body[0] if isinstance(body, list) else body).keys())
    assert told["ADMIN"] - told["STUDENT"] == WITHHELD[path]
    assert told["STUDENT"] <= told["ADMIN"]


async def test_nobody_is_told_a_secret_of_a_user(world: World) -> None:
    stored = set(world.people["STUDENT"])
    assert stored >= SECRET
    for column in COLUMNS:
        if column not in ("anonymous", "stale"):
            me = await world.api(column).ok("GET", "/routes/auth/me")
            for one in [me, *await world.api(column).ok("GET", "/routes/users?limit=500")]:
                assert not set(one) & SECRET
