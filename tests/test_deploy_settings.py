"""What `deploy/` sets is a setting of the server: a name that is none would be passed over in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.settings import Settings

DEPLOY = Path(__file__).parent.parent / "deploy"
SET = {
    "compose.yaml": r"^    ([A-Z][A-Z0-9_]+): ",  # x-server's `environment`; the other services' are indented deeper
    ".env.example": r"^([A-Z][A-Z0-9_]+)=",
    "kubernetes/base/settings.env": r"^([A-Z][A-Z0-9_]+)=",
    "systemd/proctoring-server.service": r"(?:^Environment=| )([A-Z][A-Z0-9_]+)=",
    "systemd/proctoring-server@.service": r"(?:^Environment=| )([A-Z][A-Z0-9_]+)=",
}
OF_COMPOSE = {"VERSION", "HTTPS_PORT", "HTTP_PORT", "HOME"}  # of the image, nginx and mongosh


@pytest.mark.parametrize("name", SET)
def test_every_variable_is_a_setting(name: str) -> None:
    found = set(re.findall(SET[name], (DEPLOY / name).read_text(encoding="utf-8"), re.MULTILINE)) - OF_COMPOSE
    assert found
    assert {one.lower() for one in found} <= set(Settings.model_fields)
