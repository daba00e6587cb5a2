"""The sole reader of the environment: one frozen object, parsed and validated once, passed down.

Each field's comment is its documentation; `VARIABLES` maps variable to field for the docs and for errors.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import msgspec

from runtime.durations import parse as parse_duration
from runtime.durations import parse_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

STANDARD_SCHEDULE: Final = "0,5s,5m,30m,2h,5h,10h,14h,20h,24h"
"""Standard Webhooks' example schedule (spec, "Deliverability and reliability")."""


HIDDEN: Final = frozenset({"admin_key", "secret_key", "database_url", "egress_proxy"})
"""Fields never shown: they are secrets or hold one."""


class SettingsError(ValueError):
    """A variable has a value that cannot be used; the message names it and what is accepted."""


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as e:
        raise ValueError("want a whole number") from e


def _port(text: str) -> int:
    port = _whole(text)
    if not 0 <= port <= 65535:
        raise ValueError("a port is 0 (pick a free one) to 65535")
    return port


def _log_level(text: str) -> str:
    level = text.upper()
    if level not in logging.getLevelNamesMapping():
        raise ValueError("a level is DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return level


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        raise ValueError("a topic name has letters, digits, dots, dashes and underscores only, and at most 100 here")
    return text


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("want a URL such as http://127.0.0.1:8081")
    return text


def _proxy_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https", "socks5", "socks5h"} or not parts.hostname:
        raise ValueError("want a URL such as http://proxy.internal:3128, with a user and a password if it asks for them")
    return text


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def _at_least_one(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise ValueError("want a whole number from 1")
    return number


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a process may be told from outside."""

    home: Path = Path(".hub")  # data of the embedded broker, keys, caches, logs
    bootstrap: str = "127.0.0.1:19092"  # Kafka; `hub up` starts an embedded one when the variable is unset
    registry_url: str = "http://127.0.0.1:18081"  # Confluent-compatible schema registry
    topic_prefix: str = ""  # put before every topic and group, so that several hubs share one cluster
    instance: str | None = None  # slot of this process, for static group membership; unset: dynamic
    host: str = "127.0.0.1"  # address the servers listen on
    ingress_port: int = 8080  # data plane
    console_port: int = 8081  # API and dashboard
    processors_port: int = 8082  # /metrics, /healthz, /readyz of the processors
    delivery_port: int = 8083  # /metrics, /healthz, /readyz of the delivery worker
    admin_key: str | None = None  # bootstrap admin key of the API and the dashboard
    secret_key: str | None = None  # Fernet keys, comma-separated, newest first; unset: HUB_HOME/secret.key
    egress_allow: tuple[Network, ...] = ()  # address ranges excepted from the egress guard
    egress_proxy: str | None = None  # URL of a proxy for all deliveries (http, https or socks5); it is told addresses, not names
    retry_schedule: tuple[float, ...] = parse_schedule(STANDARD_SCHEDULE)  # seconds before each retry
    database_url: str | None = None  # SQLAlchemy URL of the read model; unset: SQLite in HUB_HOME
    log_level: str = "INFO"  # least level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL
    body_cap: int = 1024 * 1024  # bytes of an incoming body
    window: int = 4000  # deliveries a delivery worker holds in memory, live lane
    disable_after_s: float = 5 * 86400.0  # an endpoint that does nothing but fail for so long is disabled
    max_requests: int = 1000  # HTTP requests of a delivery worker under way at once, all endpoints together

    def __repr__(self) -> str:
        shown = {f: "set" if f in HIDDEN and getattr(self, f) else getattr(self, f) for f in self.__struct_fields__}
        return f"Settings({', '.join(f'{f}={v!r}' for f, v in shown.items())})"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Settings of this process. Raises SettingsError naming the variable."""
        return cls(**_read(VARIABLES, environ))  # type: ignore[arg-type]  # VARIABLES pairs each field with its parser


class HubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What only `hub` itself is told: where the embedded broker and registry come from and listen."""

    external_kafka: str | None = None  # a running Kafka; unset: the embedded one is started
    external_registry: str | None = None  # a running registry; unset: the small one of the hub is started
    cache: Path | None = None  # folder of Kafka's jars; unset: HUB_HOME/cache
    kafka_port: int = 0  # port of the embedded Kafka; 0: the last one if it is free, else any
    registry_port: int = 0  # port of the embedded registry; 0: the last one if it is free, else any
    maven_url: str | None = None  # Maven repository to fetch the jars from; unset: Maven Central
    kafka_jit: Literal["quick", "full"] = (
        "quick"  # how the embedded Kafka is compiled: quick to start, or full for speed under load
    )
    processors_command: tuple[str, ...] = ()  # another program in the processors' place, such as a worse one to test against

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> HubSettings:
        """Settings of the `hub` command. Raises SettingsError naming the variable."""
        return cls(**_read(HUB_VARIABLES, environ))  # type: ignore[arg-type]  # as above


def _read(variables: Mapping[str, tuple[str, Callable[[str], object]]], environ: Mapping[str, str] | None) -> dict[str, object]:
    env = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for variable, (field, parse) in variables.items():
        text = env.get(variable, "").strip()
        if not text:
            continue
        try:
            values[field] = parse(text)
        except ValueError as e:
            shown = "…" if field in HIDDEN else repr(text)
            raise SettingsError(f"{variable}={shown} cannot be used: {e}") from e
    return values


def _command(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


def _jit(text: str) -> str:
    if text not in {"quick", "full"}:
        raise ValueError("want quick or full")
    return text


VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "HUB_HOME": ("home", Path),
    "KAFKA_BOOTSTRAP_SERVERS": ("bootstrap", str),
    "SCHEMA_REGISTRY_URL": ("registry_url", _http_url),
    "HUB_TOPIC_PREFIX": ("topic_prefix", _prefix),
    "HUB_INSTANCE": ("instance", str),
    "HUB_HOST": ("host", str),
    "HUB_INGRESS_PORT": ("ingress_port", _port),
    "HUB_CONSOLE_PORT": ("console_port", _port),
    "HUB_PROCESSORS_PORT": ("processors_port", _port),
    "HUB_DELIVERY_PORT": ("delivery_port", _port),
    "HUB_ADMIN_KEY": ("admin_key", str),
    "HUB_SECRET_KEY": ("secret_key", str),
    "HUB_EGRESS_ALLOW": ("egress_allow", _networks),
    "HUB_EGRESS_PROXY": ("egress_proxy", _proxy_url),
    "HUB_RETRY_SCHEDULE": ("retry_schedule", parse_schedule),
    "DATABASE_URL": ("database_url", str),
    "HUB_LOG_LEVEL": ("log_level", _log_level),
    "HUB_BODY_CAP": ("body_cap", _at_least_one),
    "HUB_DELIVERY_WINDOW": ("window", _at_least_one),
    "HUB_DISABLE_AFTER": ("disable_after_s", parse_duration),
    "HUB_DELIVERY_MAX_REQUESTS": ("max_requests", _at_least_one),
}

HUB_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "KAFKA_BOOTSTRAP_SERVERS": ("external_kafka", str),
    "SCHEMA_REGISTRY_URL": ("external_registry", _http_url),
    "HUB_CACHE": ("cache", Path),
    "HUB_KAFKA_PORT": ("kafka_port", _port),
    "HUB_REGISTRY_PORT": ("registry_port", _port),
    "HUB_MAVEN_URL": ("maven_url", _http_url),
    "HUB_KAFKA_JIT": ("kafka_jit", _jit),
    "HUB_COMMAND_PROCESSORS": ("processors_command", _command),
}
