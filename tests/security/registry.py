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

CLEVER: Final[list[Attack]] = [*CONTRACT, *TOKENS, *INJECTION, *FUZZ]
MANY: Final[list[Attack]] = [*HTTP, *SOCKETS, *FLOODS]
ATTACKS: Final[list[Attack]] = [*CLEVER, *MANY]
