"""The tables as one page, with how many cells there are and how often the tests try them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tests.authorisation.changes import ASKED, CHANGES
from tests.authorisation.columns import COLUMNS, MEANINGS, STALE, cells_of, tried_in
from tests.authorisation.events import EVENTS
from tests.authorisation.lists import LISTS, SECRET, SHOWN, WITHHELD
from tests.authorisation.names import NAMES
from tests.authorisation.pushes import PUSHES
from tests.authorisation.rest import REST

INTRODUCTION: Final = """# Who may what

Printed by `make authorisation` from the tables in `tests/authorisation`, which the tests try cell by cell against a
real server and a real database. A route or an event without a row fails the tests, and so does this page when it is
stale. CONTRIBUTING.md says how a row is added.

What the tests hold of every cell beyond its code: a refusal has changed nothing that is stored, and a success of what
writes has; `not_found` is word for word what an id that nothing has is answered, so that existence is not disclosed."""

ABOUT_EVENTS: Final = """Whom the namespace refuses at connect, the cell says with what. `started`: what the actor has
tried to start on its connection before; whoever could not is answered `conflict`."""

ABOUT_PUSHES: Final = """`h`: is sent it; `.`: is not; `-`: cannot connect. All of it happens in one go, and nobody
hears anything else."""

ABOUT_CHANGES: Final = "What happens to somebody who is connected, and what is answered from then on."


def counts() -> dict[str, tuple[int, int]]:
    """By table, how many cells it has, and how many tries they are."""
    listed = [(cell, one) for one in LISTS for cell in cells_of(one.cells).values() if cell != "-"]
    heard = [cell for doing in PUSHES for cells in doing.heard.values() for cell in cells_of(cells).values()]
    listeners = sum(cell != "-" for cell in heard)
    asked = len(CHANGES) * len(ASKED)
    return {
        "Routes": (len(REST) * len(COLUMNS), sum(tried_in(route.cells) for route in REST)),
        "Events": (len(EVENTS) * len(COLUMNS), sum(tried_in(event.cells) for event in EVENTS)),
        "Lists": (len(listed), sum(len(one.ways) for _, one in listed)),
        "Pushes": (listeners, listeners),
        "Changes": (asked, asked),
    }


def page() -> str:
    """docs/authorisation.md."""
    table = counts()
    total = ("Together", *(f"{sum(one[place] for one in table.values()):,}" for place in (0, 1)))
    parts = [
        INTRODUCTION,
        _table(["Table", "Cells", "Tries"], [*((name, f"{a:,}", f"{b:,}") for name, (a, b) in table.items()), total]),
        "## Actors",
        _table(["", "Actor", ""], [(number, *of) for number, of in enumerate(COLUMNS.items(), 1)]),
        f"Why the tokens of `stale` do not hold: {'; '.join(f'{name}, {why}' for name, why in STALE.items())}.",
        "## Objects",
        _table(["In braces", ""], [(f"`{{{name}}}`", of) for name, of in NAMES.items()]),
        "## Routes",
        _legend(MEANINGS),
        _by_column(["Route", "Body"], [(_code(one.name), _json(one.body), one.cells) for one in REST]),
        "## Events",
        ABOUT_EVENTS,
        _by_column(
            ["Event", "Payload", "`started`"],
            [(_code(one.name), _json(one.payload), _code(one.started or ""), one.cells) for one in EVENTS],
        ),
        "## Lists",
        f"{_legend(SHOWN)} Whole, page by page, and from the ids of foreign objects on.",
        _by_column(["List"], [(_code(one.name), one.cells) for one in LISTS]),
        _withheld(),
        "## Pushes",
        ABOUT_PUSHES,
        _by_column(
            ["Who", "sends", "Push"],
            [
                (doing.actor, f"{_code(doing.event)} {_json(doing.payload)}", _code(push), cells)
                for doing in PUSHES
                for push, cells in doing.heard.items()
            ],
        ),
        "## Changes",
        " ".join([ABOUT_CHANGES, *(f"*{asked}*: {about}." for asked, about in ASKED.items())]),
        _table(["Who", "What happens", *ASKED], [(one.role, one.happens, *_letters(one.cells)) for one in CHANGES]),
    ]
    return "\n\n".join(parts) + "\n"


def _withheld() -> str:
    of_documents = "; ".join(f"{_code(path)}: {_codes(names)}" for path, names in WITHHELD.items())
    return (
        f"What an ADMIN is told of a document and a STUDENT, who may see it too, is not: {of_documents}. "
        f"What is stored of a user and told to nobody: {_codes(SECRET)}."
    )


def _by_column(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose rows end with the cells of COLUMNS, which its head has by their numbers."""
    numbers = [str(number) for number, _ in enumerate(COLUMNS, 1)]
    return _table([*heads, *numbers], [(*row[:-1], *_letters(row[-1])) for row in rows])


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(one) for one in line)} |" for line in lines)


def _legend(meanings: dict[str, str]) -> str:
    return "; ".join(f"`{letter}` {meaning}" for letter, meaning in meanings.items()) + "."


def _letters(cells: str) -> list[str]:
    return list(cells.replace(" ", ""))


def _json(value: Any) -> str:
    return "" if value is None else _code(json.dumps(value))


def _codes(names: Iterable[str]) -> str:
    return ", ".join(_code(name) for name in sorted(names))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
