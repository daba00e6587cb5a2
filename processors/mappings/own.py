"""Events that are not commerce webhooks: the merchant's own, Standard Webhooks and generic ones, passed on as sent.

A body {"type", "timestamp"?, "data"} is an envelope: its data, byte for byte, is the event's. Any other JSON is the data
itself, and what came through /v1/events always is: the ingress has opened it. The type is the webhook's topic; where it has
none, the body's type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from processors import times
from processors.mappings import base
from processors.mappings.base import NOTHING, Mapped, MappingError, Model, Raw
from schemas.providers import API_PROVIDER, OCCURRED_AT

if TYPE_CHECKING:
    from schemas.records import WebhookReceived

VERSION: Final = 1
UNKNOWN_TOPIC: Final = "unknown"  # what the ingress writes for a webhook that names none


class Envelope(Model):
    """The body of a Standard Webhook."""

    type: Any = None
    timestamp: Any = None
    data: Raw = NOTHING


_ANY: Final = base.decoder(Any)
_ENVELOPE: Final = base.decoder(Envelope)


def convert(webhook: WebhookReceived) -> list[Mapped]:
    """The event of one webhook. Raises MappingError."""
    whole = base.decode(_ANY, webhook.body)
    envelope = base.decode(_ENVELOPE, webhook.body) if isinstance(whole, dict) else Envelope()
    named = envelope.type if isinstance(envelope.type, str) else ""
    event_type = named if webhook.topic in {"", UNKNOWN_TOPIC} else webhook.topic
    if not event_type:
        raise MappingError('type is missing: send {"type": …, "data": …}, or tell the source where the topic stands')
    enveloped = webhook.provider != API_PROVIDER and named == event_type and bytes(envelope.data) != b""
    data = (bytes(envelope.data) if enveloped else webhook.body.removeprefix(base.BOM)).strip()
    at = _occurred_at(webhook, envelope.timestamp if enveloped else None)
    return [Mapped(event_type, webhook.object_id or webhook.id, data, at)]


def _occurred_at(webhook: WebhookReceived, timestamp: object) -> int | None:
    """When the publisher says it happened; what is no time says nothing."""
    told = webhook.headers.get(OCCURRED_AT)
    try:
        if told is not None:
            return times.check(int(told))
        return times.parse(timestamp) if isinstance(timestamp, str) else None
    except ValueError:
        return None
