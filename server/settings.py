"""Settings, from the environment and `.env`. Nothing else reads the environment."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from limits import parse_many
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from handlers.buckets import Flow
from models.chain import read_key
from models.errors import InvalidPayload
from models.keeping import LEAST_SEALED, MOST_DAYS, Retention, check

MIN_SECRET_BYTES = 32
MIN_ITERATIONS = 100_000

Port = Annotated[int, Field(ge=0, le=65535)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _rate(value: str) -> str:
    """`value`, where it is a number of times within a time."""
    try:
        rates = parse_many(value)
    except ValueError:
        rates = []
    if len(rates) != 1 or rates[0].amount < 1:
        raise ValueError('something like "10 per 5 minutes" is wanted')
    return value


Rate = Annotated[str, AfterValidator(_rate)]


def _flow(value: str) -> str:
    """`value`, where it is a flow."""
    Flow.parse(value)
    return value


FlowText = Annotated[str, AfterValidator(_flow)]


class SettingsError(Exception):
    """A value that cannot be used; its text is one line that names the setting."""


class Settings(BaseSettings):
    """Every setting; the environment's names are these in capitals."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    reuse_port: bool = False
    port: Port = 3000
    ws_port: Port | None = None
    metrics_host: str | None = None
    metrics_port: Port | None = None
    database_url: str | None = None
    redis_url: SecretStr | None = None
    migrate: Literal["auto", "check"] = "auto"
    jwt_secret: SecretStr | None = None
    jwt_secret_previous: Annotated[list[SecretStr], NoDecode] = []
    seal_key: SecretStr | None = None
    data_dir: Path = Path("data")
    pbkdf2_iterations: Annotated[int, Field(ge=1, le=10_000_000)] = 220_000
    pbkdf2_keylen: Annotated[int, Field(ge=16, le=512)] = 64
    pbkdf2_digest: str = "sha512"
    cors_origins: Annotated[list[str], NoDecode] = []
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    log_requests: bool = False
    otel_exporter_otlp_endpoint: str | None = None
    heartbeat_interval_ms: Annotated[int, Field(ge=100, le=600_000)] = 5000
    # What a node took in one go when it was measured, and what it goes on taking; see handlers/pace.py
    connects_per_second: Annotated[float, Field(gt=0)] = 500
    connects_burst: Annotated[int, Field(ge=1)] = 2000
    drain_spread_s: Annotated[float, Field(ge=0, le=20)] | None = None
    token_ttl_hours: Annotated[float, Field(gt=0, le=24 * 366)] = 12
    transports: Annotated[list[Literal["websocket", "polling"]] | None, NoDecode] = None
    rate_limits: bool = True
    # An exam of 2,000 behind one address. In its busiest minute each sends 30 requests at most: 12 heartbeats, where
    # a client beats over REST, some 10 to sign in and begin, the rest for sign-ins that are sent again.
    requests_per_address: Rate = "60000 per minute"
    # 50 a second, as many as over a socket. An ADMIN's script that makes 2,000 accounts one by one needs 2,000.
    requests_per_account: Rate = "3000 per minute"
    # 2,000 who register before their exam, and as many again who do it for another one.
    registrations_per_address: Rate = "4000 per hour"
    # See handlers/sign_ins.py. At one address: an account guessed at this rate withstands 120 guesses an hour; in doubt
    # 12. Over all addresses 100 an hour is more than any person mistypes. At one address 3,000 of all accounts is a
    # whole school that mistypes once within ten minutes and half that again; who mistypes nothing counts as none.
    sign_in_failures: Rate = "10 per 5 minutes"
    sign_in_failures_in_doubt: Rate = "3 per 15 minutes"
    sign_in_failures_per_account: Rate = "100 per hour"
    sign_in_failures_per_address: Rate = "3000 per 10 minutes"
    # See handlers/socket_limits.py. An exam client sends a heartbeat every 5 s and little else; 20 a second is twice
    # what the shortest HEARTBEAT_INTERVAL_MS asks for. A replay is up to 500 reports, so 10 are a day offline.
    events_per_user: FlowText = "50 per second, 200 at once"
    heartbeats_per_user: FlowText = "20 per second, 60 at once"
    chats_per_user: FlowText = "2 per second, 30 at once"
    replays_per_user: FlowText = "1 per second, 10 at once"
    refusals_per_user: FlowText = "5 per second, 500 at once"
    # 50 consoles of one account, which are reloaded again and again.
    connections_per_user: Annotated[int, Field(ge=1)] = 200
    new_connections_per_user: FlowText = "5 per second, 200 at once"
    # See handlers/handshakes.py. 2,000 students, each of whom a lost network leaves behind two connections that are not
    # noticed yet; all of them arrive in one instant, and reload twice; while the database stands still, all of them and
    # what they left behind wait to be let in.
    connections_per_address: Annotated[int, Field(ge=1)] = 10_000
    new_connections_per_address: FlowText = "200 per second, 8000 at once"
    unauthenticated_per_address: Annotated[int, Field(ge=1)] = 5000
    authenticate_within_s: Annotated[float, Field(gt=0, le=3600)] = 10
    # More than the largest answer, a join of 5,000 activities.
    slow_reader_bytes: Annotated[int, Field(ge=64 * 1024)] = 4 * 1024 * 1024
    slow_reader_s: Annotated[float, Field(gt=0, le=3600)] = 30
    malformed_packets: Annotated[int, Field(ge=1)] = 3
    hsts_s: Annotated[int, Field(ge=0)] = 0
    trusted_proxies: Annotated[list[Network], NoDecode] = []
    retention_heartbeats_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None
    retention_activity_days: Annotated[int, Field(ge=LEAST_SEALED, le=MOST_DAYS)] | None = None
    retention_sessions_days: Annotated[int, Field(ge=LEAST_SEALED, le=MOST_DAYS)] | None = None
    retention_audit_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None
    common_passwords: Literal["allow", "refuse"] = "allow"
    bootstrap_sales_email: str | None = None
    bootstrap_sales_password: Annotated[SecretStr, Field(min_length=6)] | None = None

    @field_validator("cors_origins", "transports", "trusted_proxies", "jwt_secret_previous", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("transports")
    @classmethod
    def _some(cls, value: list[str] | None) -> list[str] | None:
        if value == []:
            raise ValueError("name websocket, polling or both")
        return value

    @field_validator("pbkdf2_digest")
    @classmethod
    def _known_digest(cls, value: str) -> str:
        try:
            hashlib.pbkdf2_hmac(value, b"", b"", 1)
        except ValueError as error:
            raise ValueError("no digest of this name") from error
        return value

    @field_validator("seal_key")
    @classmethod
    def _key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_key(value.get_secret_value())
        return value

    @field_validator("database_url")
    @classmethod
    def _mongodb(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("a mongodb:// URL is wanted")
        return value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("a URL is wanted, http://… or https://…, as OTLP goes over HTTP")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        if self.ws_port is not None and self.ws_port == self.port != 0:
            raise ValueError("WS_PORT: is PORT; leave it unset to have Socket.IO on PORT")
        if {self.port, self.ws_port} & {self.metrics_port_of(place) for place in range(self.workers)} - {0, None}:
            raise ValueError("METRICS_PORT: is another one's; the public must not read what is served there")
        if bool(self.bootstrap_sales_email) != bool(self.bootstrap_sales_password):
            raise ValueError("BOOTSTRAP_SALES_EMAIL, BOOTSTRAP_SALES_PASSWORD: set both or neither")
        if self.workers > 1 and self.redis_url is None:
            raise ValueError("WORKERS: more than one want REDIS_URL, by which they hear of each other")
        try:
            check(self.retention().model_dump(by_alias=True))
        except InvalidPayload:
            raise ValueError("RETENTION_SESSIONS_DAYS: shorter than RETENTION_ACTIVITY_DAYS") from None
        if Flow.parse(self.heartbeats_per_user).a_second * self.heartbeat_interval_ms < 1000:
            raise ValueError("HEARTBEATS_PER_USER: is less than HEARTBEAT_INTERVAL_MS asks for")
        if self.database_url is not None:
            wanted = f"with DATABASE_URL set, at least {MIN_SECRET_BYTES} bytes are wanted"
            if self.jwt_secret is None or _is_short(self.jwt_secret):
                raise ValueError(f"JWT_SECRET: {wanted}")
            if any(_is_short(one) for one in self.jwt_secret_previous):
                raise ValueError(f"JWT_SECRET_PREVIOUS: {wanted}")
        return self

    def metrics_port_of(self, place: int) -> int | None:
        """Of the worker in this place: each has a port of its own, METRICS_PORT and those after it."""
        return self.metrics_port + place if self.metrics_port else self.metrics_port

    @property
    def used_transports(self) -> list[str]:
        """TRANSPORTS; unset: both, and WebSocket alone where there may be several nodes, as it needs no stickiness."""
        return list(self.transports or ()) or (["websocket"] if self.redis_url else ["polling", "websocket"])

    @property
    def spread_s(self) -> float:
        """DRAIN_SPREAD_S; unset: 10 where there may be another node to go to, else 0, as it is then soon over."""
        if self.drain_spread_s is not None:
            return self.drain_spread_s
        return 10.0 if self.redis_url else 0.0

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def secret(self) -> str:
        """The key that tokens are signed with; made once and kept in `data_dir` where none is set."""
        if self.jwt_secret is not None:
            return self.jwt_secret.get_secret_value()
        return keep_secret(self.data_dir / "jwt_secret", secrets.token_hex(32))

    def sealing_key(self) -> bytes:
        """The key that records are sealed with; made once and kept in `data_dir` where none is set."""
        if self.seal_key is not None:
            return read_key(self.seal_key.get_secret_value())
        path = self.data_dir / "seal_key"
        try:
            return read_key(keep_secret(path, secrets.token_hex(32)))
        except ValueError as error:
            raise SettingsError(f"SEAL_KEY: in {path}, {error}") from None

    def retention(self) -> Retention:
        """What holds for organisations that have no settings of their own."""
        heartbeats, activity = self.retention_heartbeats_days, self.retention_activity_days
        days = {"heartbeatsDays": heartbeats, "activityDays": activity, "sessionsDays": self.retention_sessions_days}
        return Retention.model_validate(days)

    def warnings(self) -> list[str]:
        """What works but should not stay, one line each."""
        found = []
        if self.pbkdf2_iterations < MIN_ITERATIONS:
            found.append(
                f"PBKDF2_ITERATIONS is {self.pbkdf2_iterations}: passwords are cheap to guess; OWASP says 220000"
            )
        if self.jwt_secret is not None and _is_short(self.jwt_secret):
            found.append(f"JWT_SECRET is shorter than {MIN_SECRET_BYTES} bytes: tokens are cheap to forge")
        if any(_is_short(one) for one in self.jwt_secret_previous):
            found.append(f"JWT_SECRET_PREVIOUS has one below {MIN_SECRET_BYTES} bytes: tokens are cheap to forge")
        if self.database_url is not None and self.common_passwords == "allow":
            found.append("COMMON_PASSWORDS is allow: staff may have passwords that are guessed first; refuse is safer")
        return found


def _is_short(secret: SecretStr) -> bool:
    return len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES


def load_settings(**overrides: Any) -> Settings:
    """The settings; SettingsError where a value cannot be used."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}: {message}" if name else message) from None


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process with these settings and none from here."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | dict(settings)


def inherited(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process with the settings of this one but for these."""
    return dict(os.environ) | dict(changes)


def keep_secret(path: Path, new: str) -> str:
    """What is in `path`; `new`, put there for the owner alone, where there is nothing yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")  # nobody finds a file that is half written
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()
