"""Events the hub tells of itself: four reserved types, what their data says, and the record that publishes one.

An endpoint gets them when it asks for `endpoint.*`, `delivery.*` or the very type; `*` does not cover them. What is about
an endpoint is not delivered to that endpoint, and a delivery of one of them never causes another.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas import ids
from schemas.own_events import own_event
from schemas.providers import API_SOURCE
from schemas.records import WebhookReceived  # noqa: TC001 - the one thing this module makes

FAILING: Final = "endpoint.failing"
RECOVERED: Final = "endpoint.recovered"
DISABLED: Final = "endpoint.disabled"
EXHAUSTED: Final = "delivery.exhausted"

OPERATIONAL: Final = {
    FAILING: "Attempts at an endpoint have begun to fail one after another.",
    RECOVERED: "An endpoint that was failing answers again.",
    DISABLED: "The hub has disabled an endpoint: days of nothing but failures, or the receiver asked for it.",
    EXHAUSTED: "The hub has given up a delivery: its retries are used up, or it can never succeed.",
}
OPERATIONAL_TYPES: Final = frozenset(OPERATIONAL)

FIELDS: Final = {
    "endpoint_id": "The endpoint it is about; also the key of the event.",
    "url": "Where that endpoint posts to.",
    "tenant": "Owner.",
    "state": "active, paused or disabled.",
    "reason": "Why it is not active; null.",
    "failing_from_at": "When the first of the failures began, RFC 3339; null while it answers.",
    "failures": "Attempts that failed one after another.",
    "last_status": "HTTP status of the last failure; null when there was no answer.",
    "last_error": "The last failure in words; null.",
}
"""Data of every one of the four types."""

DELIVERY_FIELDS: Final = {
    "delivery_id": "The delivery; /api/v1/deliveries/{id} tells all of it.",
    "webhook_id": "The webhook-id it was sent under.",
    "event_id": "The event that was to be delivered.",
    "event_type": "Its type.",
    "object_key": "The business object it is about.",
    "attempts": "Attempts that were made.",
    "cause": "Why it was given up, such as exhausted.",
}
"""Further data of delivery.exhausted."""

_encode: Final = msgspec.json.Encoder().encode


def received(
    kind: str,
    tenant: str,
    endpoint_id: str,
    data: dict[str, Any],
    at_ms: int,
    unique: str,
) -> WebhookReceived:
    """The record for webhooks.received, keyed by `own_events.key_of`; the same arguments make the same bytes.

    `data`: FIELDS, for delivery.exhausted DELIVERY_FIELDS as well; endpoint_id and tenant are put in here. `unique` tells
    one such event of the endpoint from the next: the delivery id, or when the failing began. Raises ValueError for
    another type.
    """
    if kind not in OPERATIONAL_TYPES:
        raise ValueError(f"{kind} is no operational event: want one of {', '.join(sorted(OPERATIONAL_TYPES))}")
    name = f"{endpoint_id}/{unique}"
    return own_event(
        kind,
        _encode({**data, "endpoint_id": endpoint_id, "tenant": tenant}),
        tenant=tenant,
        received_id=ids.received_id(tenant, API_SOURCE, kind, name),
        provider_id=name,
        key=endpoint_id,
        occurred_at=at_ms,
        received_at=at_ms,
        verified_by="hub",
    )
