"""Configuration as callers see it: everything but the secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from console import certificates, credentials
from console.certificates import CertificateView  # noqa: TC001 - msgspec resolves the annotations
from console.credentials import AuthView  # noqa: TC001 - the same
from runtime import signing

if TYPE_CHECKING:
    from runtime.config import Endpoint, Source
    from schemas.records import SecretValue


class SecretView(msgspec.Struct, frozen=True, kw_only=True):
    """A secret without its value."""

    id: str
    created_at: int
    expires_at: int | None


class SigningSecretView(SecretView, frozen=True, kw_only=True):
    """A signing secret without its value. `public_key`: what a receiver verifies v1a with; null for v1."""

    signature: str  # v1 or v1a
    public_key: str | None


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
    ordering: str  # none, key or latest
    rate_limit: float | None
    batch_max: int
    batch_wait_ms: int
    signature: str  # v1 or v1a
    auth: AuthView
    ca: list[CertificateView]
    state: str  # active, paused or disabled
    state_reason: str | None
    disabled_by: str | None  # hub or person
    secrets: list[SigningSecretView]
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
    """A new endpoint. `secret` is shown this once; with v1a the receiver needs `public_key` alone."""

    secret: str
    public_key: str | None


class EndpointEnabled(EndpointView, frozen=True, kw_only=True):
    """An endpoint that is sent to again. `redrive_id`: the re-drive of the `recovering` deliveries that it missed."""

    redrive_id: str | None
    recovering: int


class SecretCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A new signing secret, shown this once; the old ones sign too until `old_expire_at`."""

    secret: str
    public_key: str | None
    secrets: list[SigningSecretView]
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
        ordering=c.ordering,
        rate_limit=c.rate_limit,
        batch_max=c.batch_max,
        batch_wait_ms=c.batch_wait_ms,
        signature=c.signature,
        auth=credentials.view(endpoint.auth),
        ca=certificates.views(c.ca) if c.ca else [],
        state=c.state,
        state_reason=c.state_reason,
        disabled_by=c.disabled_by,
        secrets=signing_secret_views(endpoint),
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


def signing_secret_views(endpoint: Endpoint) -> list[SigningSecretView]:
    """An endpoint's secrets without their values."""
    values = {secret.id: secret.value for secret in endpoint.secrets}
    return [_signing_secret_view(s, values.get(s.id, "")) for s in endpoint.config.secrets]


def _signing_secret_view(s: SecretValue, value: str) -> SigningSecretView:
    return SigningSecretView(
        id=s.id, created_at=s.created_at, expires_at=s.expires_at, signature=signing.kind_of(value), public_key=public_key(value)
    )


def public_key(secret: str) -> str | None:
    """The key a receiver verifies with, where that is another than the secret."""
    return signing.public_key(secret) if signing.kind_of(secret) == "v1a" else None


def secret_views(secrets: list[SecretValue]) -> list[SecretView]:
    """Secrets without their values."""
    return [SecretView(id=s.id, created_at=s.created_at, expires_at=s.expires_at) for s in secrets]
