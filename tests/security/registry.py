"""All attacks."""

from __future__ import annotations

from typing import Final

from tests.security.attack import Attack
from tests.security.contract import CONTRACT
from tests.security.floods import FLOODS
from tests.security.fuzz import FUZZ
from tests.security.http import HTTP
from tests.security.injection import INJECTION
from tests.security.sockets import SOCKETS
from tests.security.tokens import TOKENS

# The contract last: as SALES and ADMIN it changes passwords, and so signs others out.
CLEVER: Final[list[Attack]] = [*TOKENS, *INJECTION, *FUZZ, *CONTRACT]
MANY: Final[list[Attack]] = [*HTTP, *SOCKETS, *FLOODS]
ATTACKS: Final[list[Attack]] = [*CLEVER, *MANY]
