"""The record of an event that no provider sent: published through /v1/events, or told by the hub itself. Pure."""

from __future__ import annotations

from schemas.providers import API_PROVIDER, API_SOURCE, OCCURRED_AT
from schemas.records import WebhookReceived


def own_event(  # noqa: PLR0913 - one argument a fact
    kind: str,
    data: bytes,
    *,
    tenant: str,
    received_id: str,
    provider_id: str | None,
    key: str | None,
    occurred_at: int | None,
    received_at: int,
    verified_by: str,
) -> WebhookReceived:
    """What goes to webhooks.received. `data`: a JSON object; `key`: what the event is about, which orders its events."""
    return WebhookReceived(
        id=received_id,
        tenant=tenant,
        source=API_SOURCE,
        provider=API_PROVIDER,
        provider_id=provider_id,
        topic=kind,
        object_id=key,
        headers={} if occurred_at is None else {OCCURRED_AT: str(occurred_at)},
        body=data,
        content_type="application/json",
        received_at=received_at,
        verified_by=verified_by,
    )


def key_of(record: WebhookReceived) -> str:
    """Kafka key of a received webhook: those of one object keep their order."""
    return f"{record.tenant}/{record.source}/{record.object_id or record.id}"
