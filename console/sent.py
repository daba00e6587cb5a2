"""The request headers of a delivery as they would be sent, for people: the configured values stay hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console.views import MASK

if TYPE_CHECKING:
    from runtime.config import Endpoint
    from schemas.records import Delivery

NAMED_BY_HEADER: Final = frozenset({"basic", "bearer", "oauth2"})
"""Credentials that travel in the header Authorization."""


def request_headers(delivery: Delivery, endpoint: Endpoint | None) -> dict[str, str]:
    """Headers of the next attempt. Time and signature are made at the attempt itself."""
    own = {} if endpoint is None else dict.fromkeys(endpoint.config.headers, MASK)
    if endpoint is not None and endpoint.config.auth_kind in NAMED_BY_HEADER:
        own["authorization"] = MASK
    signature = "v1" if endpoint is None else endpoint.config.signature
    headers = {
        "content-type": "application/json",
        **own,
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": "seconds since the epoch, at the attempt",
        "webhook-signature": f"{signature},… for each active secret, at the attempt",
        "x-hookstream-event": delivery.event_type,
        "x-hookstream-delivery": delivery.id,
        "x-hookstream-attempt": str(delivery.attempt),
        "x-hookstream-sequence": str(delivery.sequence),
    }
    if delivery.replay_id is not None:
        headers["x-hookstream-replay"] = delivery.replay_id
    return headers
