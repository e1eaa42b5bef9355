"""Settings, from the environment and `.env`. Nothing else reads the environment."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_BYTES = 32
MIN_ITERATIONS = 100_000

Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(Exception):
    """A value that cannot be used; its text is one line that names the setting."""


class Settings(BaseSettings):
    """Every setting; the environment's names are these in capitals."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: Port = 3000
    ws_port: Port | None = None
    database_url: str | None = None
    jwt_secret: SecretStr | None = None
    data_dir: Path = Path("data")
    pbkdf2_iterations: Annotated[int, Field(ge=1, le=10_000_000)] = 220_000
    pbkdf2_keylen: Annotated[int, Field(ge=16, le=512)] = 64
    pbkdf2_digest: str = "sha512"
    cors_origins: Annotated[list[str], NoDecode] = []
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    heartbeat_interval_ms: Annotated[int, Field(ge=100, le=600_000)] = 5000
    token_ttl_hours: Annotated[float, Field(gt=0, le=24 * 366)] = 12
    transports: Annotated[list[Literal["websocket", "polling"]], NoDecode] = ["polling", "websocket"]
    rate_limits: bool = True
    bootstrap_sales_email: str | None = None
    bootstrap_sales_password: Annotated[SecretStr, Field(min_length=6)] | None = None

    @field_validator("cors_origins", "transports", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("transports")
    @classmethod
    def _some(cls, value: list[str]) -> list[str]:
        if not value:
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

    @field_validator("database_url")
    @classmethod
    def _mongodb(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("a mongodb:// URL is wanted")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        if self.ws_port is not None and self.ws_port == self.port != 0:
            raise ValueError("WS_PORT: is PORT; leave it unset to have Socket.IO on PORT")
        if bool(self.bootstrap_sales_email) != bool(self.bootstrap_sales_password):
            raise ValueError("BOOTSTRAP_SALES_EMAIL, BOOTSTRAP_SALES_PASSWORD: set both or neither")
        if self.database_url is not None:
            length = len(self.jwt_secret.get_secret_value().encode()) if self.jwt_secret else 0
            if length < MIN_SECRET_BYTES:
                raise ValueError(f"JWT_SECRET: with DATABASE_URL set, at least {MIN_SECRET_BYTES} bytes are wanted")
        return self

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

    def warnings(self) -> list[str]:
        """What works but should not stay, one line each."""
        found = []
        if self.pbkdf2_iterations < MIN_ITERATIONS:
            found.append(
                f"PBKDF2_ITERATIONS is {self.pbkdf2_iterations}: passwords are cheap to guess; OWASP says 220000"
            )
        if self.jwt_secret is not None and len(self.jwt_secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            found.append(f"JWT_SECRET is shorter than {MIN_SECRET_BYTES} bytes: tokens are cheap to forge")
        return found


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


def keep_secret(path: Path, new: str) -> str:
    """What is in `path`; `new`, put there for the owner alone, where there is nothing yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(new)
    return new
