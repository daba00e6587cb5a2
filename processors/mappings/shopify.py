"""Shopify: what each topic becomes.

Shopify names no payment of its own, only transactions whose parents it does not always tell: all payments of one order
are one payment object here, called by the order's id, and each event says what its own transaction moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.mappings import base
from processors.mappings import shopify_models as m
from processors.mappings.base import Mapped, Unmapped
from processors.mappings.shopify_orders import order
from processors.mappings.shopify_shipments import carrier_event, shipment
from processors.money import ZERO
from schemas.records import InventoryLevel, Money, Payment

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.records import WebhookReceived

VERSION: Final = 1

_ORDER: Final = base.decoder(m.ShopifyOrder)
_EDITED: Final = base.decoder(m.Edited)
_EDIT: Final = base.decoder(m.Edit)
_TRANSACTION: Final = base.decoder(m.Transaction)
_REFUND: Final = base.decoder(m.Refund)
_LEVEL: Final = base.decoder(m.Level)

_ORDER_TOPICS: Final = {
    "orders/create": "order.created",
    "orders/updated": "order.updated",
    "orders/cancelled": "order.cancelled",
    "orders/fulfilled": "order.fulfilled",
    "orders/partially_fulfilled": "order.updated",
    "orders/paid": "order.updated",
}
_SUCCEEDED: Final = {
    "authorization": ("payment.authorized", "authorized"),
    "emv_authorization": ("payment.authorized", "authorized"),
    "capture": ("payment.captured", "captured"),
    "sale": ("payment.captured", "captured"),
    "refund": ("payment.refunded", "refunded"),
    "void": ("payment.failed", "cancelled"),
}


def convert(webhook: WebhookReceived) -> list[Mapped] | Unmapped:
    """Canonical objects of one webhook. Raises MappingError."""
    converter = _CONVERTERS.get(webhook.topic)
    return Unmapped(webhook.topic) if converter is None else converter(webhook)


def _order(webhook: WebhookReceived) -> list[Mapped]:
    body = base.decode(_ORDER, webhook.body)
    found = order(body, webhook.topic)
    at = base.when(body.updated_at or body.created_at, "updated_at")
    mapped = [Mapped(_ORDER_TOPICS[webhook.topic], found.id, found, at)]
    if webhook.topic == "orders/paid":
        mapped.append(Mapped("payment.captured", found.id, _paid(body, found.id, found.total), at))
    return mapped


def _paid(body: m.ShopifyOrder, order_id: str, total: Money) -> Payment:
    """The order is paid: all that is not outstanding has been captured."""
    due = base.optional_amount(body.total_outstanding, total.currency, "total_outstanding")
    captured = total.amount - (due.amount if due else ZERO)
    return Payment(
        id=order_id,
        order_id=order_id,
        status="captured",
        captured=base.amount(captured if captured > ZERO else total.amount, total.currency, "total_outstanding"),
        created_at=base.when(body.created_at, "created_at"),
        extra={},
    )


def _edited(webhook: WebhookReceived) -> list[Mapped]:
    changed = base.decode(_EDITED, webhook.body).order_edit
    edit = base.decode(_EDIT, bytes(changed))
    order_id = base.ident(edit.order_id, "order_edit.order_id")
    at = base.when(edit.committed_at or edit.created_at, "order_edit.committed_at")
    return [Mapped("order.updated", order_id, base.thin_order(order_id, "open", at, base.leftovers({"order_edit": changed})), at)]


def _deleted(webhook: WebhookReceived) -> list[Mapped]:
    """Only the id is left. An order that is gone must not be released: to us it is cancelled."""
    order_id = base.ident(base.decode(_ORDER, webhook.body).id, "id")
    return [Mapped("order.cancelled", order_id, base.thin_order(order_id, "cancelled", None, {"deleted": "true"}), None)]


def _transaction(webhook: WebhookReceived) -> list[Mapped] | Unmapped:
    t = base.decode(_TRANSACTION, webhook.body)
    if t.status in {"failure", "error"}:
        event_type, status = "payment.failed", "failed"
    elif t.status == "success" and t.kind in _SUCCEEDED:
        event_type, status = _SUCCEEDED[t.kind]
    else:
        return Unmapped(f"{webhook.topic} {t.kind} {t.status}")
    order_id = base.ident(t.order_id, "order_id")
    moved = base.amount(t.amount, t.currency or "", "amount")
    failed = event_type == "payment.failed" and status == "failed"
    payment = Payment(
        id=order_id,
        order_id=order_id,
        status=status,
        authorized=moved if status == "authorized" else None,
        captured=moved if status == "captured" else None,
        refunded=moved if status == "refunded" else None,
        method=t.gateway or None,
        failure_code=t.error_code if failed else None,
        failure_message=t.message if failed else None,
        created_at=base.when(t.created_at, "created_at"),
        extra={"transaction_id": base.as_json(base.ident(t.id, "id"))},
    )
    return [Mapped(event_type, order_id, payment, base.when(t.processed_at or t.created_at, "created_at"))]


def _refund(webhook: WebhookReceived) -> list[Mapped]:
    body = base.decode(_REFUND, webhook.body)
    order_id = base.ident(body.order_id, "order_id")
    payment = Payment(
        id=order_id,
        order_id=order_id,
        status="refunded",
        refunded=_refunded(body),
        created_at=base.when(body.created_at, "created_at"),
        extra={"refund_id": base.as_json(base.ident(body.id, "id")), **base.leftovers({"note": body.note})},
    )
    return [Mapped("payment.refunded", order_id, payment, base.when(body.processed_at or body.created_at, "created_at"))]


def _refunded(body: m.Refund) -> Money | None:
    """Money given back: what the refund's transactions moved, else what its lines are worth."""
    moved = [t for t in body.transactions if t.kind == "refund" and t.status in {"success", ""}]
    if moved:
        currency = moved[0].currency or ""
        amounts = [base.amount(t.amount, currency, "transactions.amount").amount for t in moved]
        return base.amount(sum(amounts, ZERO), currency, "transactions.amount")
    lines = [(line.subtotal_set.shop_money, line.total_tax) for line in body.refund_line_items if line.subtotal_set]
    worth = [(price, tax) for price, tax in lines if price is not None]
    if not worth:
        return None
    currency = worth[0][0].currency_code or ""
    amounts = [base.amount(price.amount, currency, "refund_line_items.subtotal_set").amount for price, _ in worth]
    amounts += [base.amount(tax or 0, currency, "refund_line_items.total_tax").amount for _, tax in worth]
    return base.amount(sum(amounts, ZERO), currency, "refund_line_items")


def _level(webhook: WebhookReceived) -> list[Mapped]:
    body = base.decode(_LEVEL, webhook.body)
    item = base.ident(body.inventory_item_id, "inventory_item_id")
    location = base.ident(body.location_id, "location_id")
    at = base.when(body.updated_at, "updated_at")
    level = InventoryLevel(item_id=item, location_id=location, available=body.available, updated_at=at, extra={})
    return [Mapped("inventory.updated", f"{item}:{location}", level, at)]


_CONVERTERS: Final[dict[str, Callable[[WebhookReceived], list[Mapped] | Unmapped]]] = {
    **dict.fromkeys(_ORDER_TOPICS, _order),
    "orders/edited": _edited,
    "orders/delete": _deleted,
    "order_transactions/create": _transaction,
    "refunds/create": _refund,
    "inventory_levels/update": _level,
    "inventory_levels/connect": _level,
    "fulfillments/create": shipment,
    "fulfillments/update": shipment,
    "fulfillment_events/create": carrier_event,
}
