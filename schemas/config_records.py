"""Records of configuration and of jobs, and how endpoints are doing: compacted topics, newest by id."""

from __future__ import annotations

from schemas.record import Record


class SecretValue(Record, frozen=True, gc=False, kw_only=True):
    """A secret, encrypted."""

    id: str
    ciphertext: str
    created_at: int
    expires_at: int | None = None


class SourceConfig(Record, frozen=True, gc=False, kw_only=True):
    """A place webhooks come from."""

    id: str
    tenant: str
    provider: str
    description: str
    secrets: list[SecretValue]
    external_url: str | None = None
    ip_allowlist: list[str]
    options: dict[str, str]
    enabled: bool
    created_at: int
    updated_at: int


class EndpointConfig(Record, frozen=True, gc=False, kw_only=True):
    """A place webhooks are sent to."""

    id: str
    tenant: str
    url: str
    description: str
    event_types: list[str]
    channels: list[str]
    headers: dict[str, str]
    secrets: list[SecretValue]
    timeout_s: float
    max_in_flight: int
    retry_schedule: list[float]
    state: str
    state_reason: str | None = None
    created_at: int
    updated_at: int
    disabled_by: str | None = None
    ordering: str = "none"
    rate_limit: float | None = None
    batch_max: int = 1
    batch_wait_ms: int = 0
    signature: str = "v1"
    auth_kind: str = "none"
    auth: str | None = None
    ca: str | None = None


class EndpointStanding(Record, frozen=True, gc=False, kw_only=True):
    """How an endpoint is doing, as the worker that serves it sees it: written when it changes."""

    id: str
    tenant: str
    breaker: str
    failing_from_at: int | None = None
    failures: int
    probe_at: int | None = None
    last_status: int | None = None
    last_error: str | None = None
    updated_at: int


class ReplayJob(Record, frozen=True, gc=False, kw_only=True):
    """A replay: what it covers and how far it has come."""

    id: str
    tenant: str
    spec: str
    ranges: list[str]
    state: str
    scanned: int
    queued: int
    created_at: int
    updated_at: int
