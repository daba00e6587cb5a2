"""A webhook to canonical events: the provider's mapping, put into the common envelope. Pure.

Ids, times and sequences come from the record alone, so that a second run makes the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from processors.mappings import easypost, own, shopify, stripe, woocommerce
from processors.mappings.base import Mapped, MappingError, Unmapped
from schemas import ids
from schemas.providers import API_PROVIDER
from schemas.records import (
    CustomEvent,
    Event,
    InventoryEvent,
    InventoryLevel,
    Order,
    OrderEvent,
    Payment,
    PaymentEvent,
    Shipment,
    ShipmentEvent,
    WebhookReceived,
)

if TYPE_CHECKING:
    from processors.mappings.base import Mapper

__all__ = ["MappingError", "Pointer", "Unmapped", "normalize"]


class Pointer(msgspec.Struct, frozen=True, gc=False):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


_MAPPERS: Final[dict[str, tuple[int, Mapper]]] = {
    "shopify": (shopify.VERSION, shopify.convert),
    "stripe": (stripe.VERSION, stripe.convert),
    "easypost": (easypost.VERSION, easypost.convert),
    "woocommerce": (woocommerce.VERSION, woocommerce.convert),
    "standard-webhooks": (own.VERSION, own.convert),
    "generic-hmac": (own.VERSION, own.convert),
    API_PROVIDER: (own.VERSION, own.convert),
}


def normalize(webhook: WebhookReceived, at: Pointer) -> list[Event] | Unmapped:
    """Canonical events of one webhook that lies at `at`. Raises MappingError naming the field, and nothing else."""
    found = _MAPPERS.get(webhook.provider)
    if found is None:
        return Unmapped(webhook.topic)
    version, convert = found
    try:
        mapped = convert(webhook)
        return mapped if isinstance(mapped, Unmapped) else [_event(m, webhook, at, version) for m in mapped]
    except MappingError:
        raise
    except Exception as e:  # a payload nobody thought of must not stop the flow: it is set aside with this cause
        raise MappingError(f"{type(e).__name__}: {e}") from e


def _event(mapped: Mapped, webhook: WebhookReceived, at: Pointer, version: int) -> Event:
    occurred_at = webhook.received_at if mapped.occurred_at is None else mapped.occurred_at
    envelope: dict[str, str | int] = {
        "id": ids.event_id(webhook.id, mapped.type, mapped.object_id),
        "type": mapped.type,
        "tenant": webhook.tenant,
        "source": webhook.source,
        "channel": webhook.account or webhook.source,
        "provider": webhook.provider,
        "object_id": mapped.object_id,
        "occurred_at": occurred_at,
        "received_at": webhook.received_at,
        "sequence": occurred_at,
        "raw_topic": at.topic,
        "raw_partition": at.partition,
        "raw_offset": at.offset,
        "mapping_version": version,
    }
    return _wrap(mapped.data, envelope)


def _wrap(data: Order | InventoryLevel | Shipment | Payment | bytes, envelope: dict[str, str | int]) -> Event:
    match data:
        case Order():
            return OrderEvent(data=data, **envelope)  # type: ignore[arg-type]  # the envelope has each field's type
        case Payment():
            return PaymentEvent(data=data, **envelope)  # type: ignore[arg-type]
        case Shipment():
            return ShipmentEvent(data=data, **envelope)  # type: ignore[arg-type]
        case InventoryLevel():
            return InventoryEvent(data=data, **envelope)  # type: ignore[arg-type]
        case _:
            return CustomEvent(data=data, **envelope)  # type: ignore[arg-type]
