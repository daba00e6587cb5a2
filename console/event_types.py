"""The event types there are: those of the commerce model, those the hub tells of itself, and those seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console.rows import EventTypeRow
from schemas.operational import OPERATIONAL

if TYPE_CHECKING:
    from collections.abc import Iterable

CANONICAL: Final = (
    "order.created", "order.updated", "order.cancelled", "order.released", "order.fulfilled", "order.refunded",
    "inventory.updated", "inventory.low", "inventory.out_of_stock",
    "shipment.created", "shipment.updated", "shipment.delivered", "shipment.exception",
    "payment.authorized", "payment.captured", "payment.failed", "payment.refunded",
)  # fmt: skip


def event_types(seen: Iterable[EventTypeRow]) -> list[EventTypeRow]:
    """All of them by name, with the time of the last delivery."""
    found = {name: EventTypeRow(name, None) for name in (*CANONICAL, *OPERATIONAL)}
    return [row for _, row in sorted((found | {row.type: row for row in seen}).items())]
