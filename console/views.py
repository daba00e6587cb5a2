"""Configuration as callers see it: everything but the secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from runtime.config import Endpoint, Source
    from schemas.records import SecretValue


class SecretView(msgspec.Struct, frozen=True, kw_only=True):
    """A secret without its value."""

    id: str
    created_at: int
    expires_at: int | None


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint. Header values can be credentials, so they are never shown."""

    id: str
    tenant: str
    url: str
    description: str
    event_types: list[str]
    channels: list[str]
    headers: dict[str, str]  # names; each value is "••••"
    timeout_s: float
    max_in_flight: int
    retry_schedule: list[float]
    ordering: str
    state: str  # active, paused or disabled
    state_reason: str | None
    secrets: list[SecretView]
    created_at: int
    updated_at: int


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """A source."""

    id: str
    tenant: str
    provider: str
    description: str
    path: str  # where the provider posts to, on the ingress
    external_url: str | None
    ip_allowlist: list[str]
    options: dict[str, str]
    enabled: bool
    secrets: list[SecretView]
    created_at: int
    updated_at: int


class EndpointCreated(EndpointView, frozen=True, kw_only=True):
    """A new endpoint. `secret` is shown this once."""

    secret: str


class SecretCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A new signing secret, shown this once; the old ones sign too until `old_expire_at`."""

    secret: str
    secrets: list[SecretView]
    old_expire_at: int


MASK = "••••"


def endpoint_view(endpoint: Endpoint) -> EndpointView:
    """An endpoint as callers see it."""
    c = endpoint.config
    return EndpointView(
        id=c.id,
        tenant=c.tenant,
        url=c.url,
        description=c.description,
        event_types=c.event_types,
        channels=c.channels,
        headers=dict.fromkeys(c.headers, MASK),
        timeout_s=c.timeout_s,
        max_in_flight=c.max_in_flight,
        retry_schedule=c.retry_schedule,
        ordering="none",
        state=c.state,
        state_reason=c.state_reason,
        secrets=secret_views(c.secrets),
        created_at=c.created_at,
        updated_at=c.updated_at,
    )


def source_view(source: Source) -> SourceView:
    """A source as callers see it."""
    c = source.config
    return SourceView(
        id=c.id,
        tenant=c.tenant,
        provider=c.provider,
        description=c.description,
        path=f"/in/{c.id}",
        external_url=c.external_url,
        ip_allowlist=c.ip_allowlist,
        options=c.options,
        enabled=c.enabled,
        secrets=secret_views(c.secrets),
        created_at=c.created_at,
        updated_at=c.updated_at,
    )


def secret_views(secrets: list[SecretValue]) -> list[SecretView]:
    """Secrets without their values."""
    return [SecretView(id=s.id, created_at=s.created_at, expires_at=s.expires_at) for s in secrets]
