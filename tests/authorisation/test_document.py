"""The printed page is what the tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.authorisation.columns import COLUMNS, cells_of
from tests.authorisation.events import EVENTS
from tests.authorisation.names import NAMES, names_in
from tests.authorisation.printing import page
from tests.authorisation.pushes import PUSHES
from tests.authorisation.rest import REST

PAGE = Path(__file__).parents[2] / "docs" / "authorisation.md"


def test_the_page_is_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/authorisation.md is stale: make authorisation"


def test_every_name_in_a_row_is_explained_and_none_that_is_explained_is_for_nothing() -> None:
    rows = [(route.path, route.body) for route in REST]
    rows += [(event.started or "", event.payload) for event in EVENTS]
    rows += [("", doing.payload) for doing in PUSHES]
    named = set(names_in(rows)) | set(names_in([*NAMES.values(), *COLUMNS.values()]))
    assert named == set(NAMES)


def test_a_row_with_a_letter_too_few_says_what_is_wanted() -> None:
    with pytest.raises(ValueError, match="should have groups of 2, 1, 2, 4, 5 letters, one a column: anonymous"):
        cells_of("UU + ++ +++ +++++")
