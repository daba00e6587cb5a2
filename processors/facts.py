"""What an event tells the order workflow. Pure."""

from __future__ import annotations

import msgspec

from processors.money import NO_CURRENCY
from schemas.records import Event, OrderEvent, OrderFact, Payment, PaymentEvent


def fact(event: Event) -> OrderFact | None:
    """The fact of an order event, or of a payment that names its order; None where there is nothing to tell.

    A thin order without money tells only that it is cancelled: anything else about it would look like a free order.
    """
    if isinstance(event, OrderEvent):
        if event.data.total.currency == NO_CURRENCY and event.data.status != "cancelled":
            return None
        return OrderFact(
            id=event.id,
            tenant=event.tenant,
            order_id=event.object_id,
            kind="order",
            payment_id="",
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            order=event,
        )
    if isinstance(event, PaymentEvent) and event.data.order_id and event.data.captured:
        return OrderFact(
            id=event.id,
            tenant=event.tenant,
            order_id=event.data.order_id,
            kind="payment",
            payment_id=_payment_id(event.data),
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            captured=event.data.captured,
        )
    return None


def _payment_id(payment: Payment) -> str:
    """What captures are counted by. A channel that reports single transactions has each counted for itself."""
    transaction = payment.extra.get("transaction_id")
    return str(msgspec.json.decode(transaction)) if transaction else payment.id
