"""What the read model answers: one frozen struct a kind of row, the same for the API and the dashboard.

Times are milliseconds since the epoch, UTC; durations are milliseconds.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, newest first. `next_cursor` is None on the last page."""

    data: list[T]
    next_cursor: str | None = None


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery and where it stands. `topic`, `partition`, `offset` say where its newest record lies in Kafka."""

    id: str
    webhook_id: str
    tenant: str
    endpoint_id: str
    event_id: str
    event_type: str
    object_key: str
    state: str  # queued, retrying, delivered, dead or superseded
    spent: int  # attempts made
    cause: str | None  # why it is dead
    received_at: int
    queued_at: int
    changed_at: int
    next_attempt_at: int | None
    last_attempt_at: int | None
    last_status: int | None
    last_error_class: str | None
    last_error: str | None
    lane: str  # live or replay
    replay_id: str | None
    topic: str
    partition: int
    offset: int


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, without the response: that lies in Kafka at (deliveries.attempts, partition, offset)."""

    delivery_id: str
    endpoint_id: str
    attempt: int
    state: str  # of the delivery after it: delivered, retrying or dead; superseded without an error: it was not made
    status: int | None
    error_class: str | None
    error: str | None
    started_at: int
    total_ms: float
    next_attempt_at: int | None
    partition: int
    offset: int


class UnroutedRow(msgspec.Struct, frozen=True, kw_only=True):
    """An authentic event that reached no endpoint. `reasons`: endpoint id to why it did not match."""

    id: str
    tenant: str
    source: str
    provider: str
    type: str
    object_id: str | None
    reason: str
    reasons: dict[str, str]
    raw_topic: str
    raw_partition: int
    raw_offset: int
    received_at: int


class QuarantinedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A raw record that could not be turned into events."""

    id: str
    tenant: str
    source: str
    provider: str
    topic: str  # the provider's
    cause: str
    detail: str
    raw_topic: str
    raw_partition: int
    raw_offset: int
    received_at: int


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A request that no source vouched for; its headers and body lie at (webhooks.rejected, partition, offset)."""

    id: str
    source: str
    tenant: str | None
    provider: str | None
    reason: str
    detail: str
    remote: str
    size: int
    received_at: int
    partition: int
    offset: int


class StatsBucket(msgspec.Struct, frozen=True, kw_only=True):
    """What happened from `at` on for one bucket. Latency: from receipt to the receiver's 2xx."""

    at: int
    received: int
    rejected: int
    unrouted: int
    quarantined: int
    queued: int
    delivered: int
    failed: int  # attempts
    dead: int
    superseded: int  # not sent, a newer event of the object was
    latency_p50_ms: float | None
    latency_p99_ms: float | None


class EndpointHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint does. Rates and percentiles over the last hour; durations are of attempts, latency end to end."""

    endpoint_id: str
    last_success_at: int | None
    last_failure_at: int | None
    attempts_1h: int
    success_rate_1h: float | None
    waiting: int
    oldest_waiting_at: int | None
    dead: int
    duration_p50_ms: float | None
    duration_p99_ms: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None


class Activity(msgspec.Struct, frozen=True):
    """When an endpoint last took a delivery and when it last did not."""

    last_success_at: int | None
    last_failure_at: int | None


class Outcomes(msgspec.Struct, frozen=True):
    """Attempts of one endpoint, a number a bucket of time."""

    delivered: list[int]
    failed: list[int]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries by state."""

    queued: int = 0
    retrying: int = 0
    delivered: int = 0
    dead: int = 0
    superseded: int = 0


class EventTypeRow(msgspec.Struct, frozen=True):
    """An event type and when a delivery of it was last made; None when never."""

    type: str
    last_seen_at: int | None
