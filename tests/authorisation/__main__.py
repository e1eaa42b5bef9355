"""`python -m tests.authorisation`: print the tables."""

from __future__ import annotations

import sys

from tests.authorisation.printing import page

sys.stdout.write(page())
