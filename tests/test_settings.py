"""Settings: the customer's names, ours, and what is said of a wrong value."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from server.settings import Settings, SettingsError, load_settings
from tests.processes import run


def load(**values: Any) -> Settings:
    return load_settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"port": "eighty"}, "PORT"),
        ({"port": 70000}, "PORT"),
        ({"ws_port": 3000, "port": 3000}, "WS_PORT"),
        ({"port": 9464, "metrics_port": 9464}, "METRICS_PORT"),
        ({"ws_port": 9466, "metrics_port": 9464, "workers": 3, "redis_url": "redis://db"}, "METRICS_PORT"),
        ({"otel_exporter_otlp_endpoint": "collector:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"pbkdf2_digest": "md17"}, "PBKDF2_DIGEST"),
        ({"pbkdf2_iterations": 0}, "PBKDF2_ITERATIONS"),
        ({"pbkdf2_keylen": 1}, "PBKDF2_KEYLEN"),
        ({"transports": "smoke"}, "TRANSPORTS"),
        ({"transports": ","}, "TRANSPORTS"),
        ({"log_level": "LOUD"}, "LOG_LEVEL"),
        ({"log_format": "xml"}, "LOG_FORMAT"),
        ({"heartbeat_interval_ms": 1}, "HEARTBEAT_INTERVAL_MS"),
        ({"token_ttl_hours": 0}, "TOKEN_TTL_HOURS"),
        ({"rate_limits": "maybe"}, "RATE_LIMITS"),
        ({"database_url": "your-database-url"}, "DATABASE_URL"),
        ({"database_url": "mongodb://db"}, "JWT_SECRET"),
        ({"database_url": "mongodb://db", "jwt_secret": "short"}, "JWT_SECRET"),
        ({"bootstrap_sales_email": "sales@example.com"}, "BOOTSTRAP_SALES_EMAIL"),
        ({"bootstrap_sales_email": "a@b.c", "bootstrap_sales_password": "short"}, "BOOTSTRAP_SALES_PASSWORD"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_it(values: dict[str, Any], name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**values)
    assert name in str(refused.value).partition(": ")[0]
    assert "\n" not in str(refused.value)


async def test_a_wrong_value_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=eighty\n", encoding="utf-8")
    status, out, err = await run("serve", cwd=tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("proctoring-server: PORT: ")


def test_the_defaults_are_those_of_the_readme() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.ws_port) == ("127.0.0.1", 3000, None)
    assert (settings.pbkdf2_iterations, settings.pbkdf2_keylen, settings.pbkdf2_digest) == (220_000, 64, "sha512")
    assert (settings.heartbeat_interval_ms, settings.token_ttl_hours) == (5000, 12)
    assert settings.used_transports == ["polling", "websocket"]


def test_lists_are_separated_by_commas_and_empty_values_are_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("TRANSPORTS", "websocket")
    monkeypatch.setenv("WS_PORT", "")
    settings = load()
    assert settings.cors_origins == ["https://a.example", "https://b.example"]
    assert (settings.transports, settings.ws_port) == (["websocket"], None)


def test_few_iterations_and_a_short_secret_warn() -> None:
    assert load().warnings() == []
    assert [one.partition(" ")[0] for one in load(pbkdf2_iterations=99_999, jwt_secret="short").warnings()] == [
        "PBKDF2_ITERATIONS",
        "JWT_SECRET",
    ]


def test_a_secret_is_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path / "new")
    secret = settings.secret()
    assert len(secret) >= 32
    assert settings.secret() == secret
    assert stat.S_IMODE((tmp_path / "new" / "jwt_secret").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("db", False)]
)
def test_loopback_is_told_from_the_world(host: str, loopback: bool) -> None:
    assert load(host=host).on_loopback is loopback
