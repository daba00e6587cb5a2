"""WooCommerce: orders. One status says how far payment and fulfilment are, so it also says which event an update is.

Source: woocommerce.github.io, REST API v3, "Order properties"; the *_gmt times are UTC without saying so.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from processors.mappings import base
from processors.mappings.base import NOTHING, Amount, Id, Mapped, Model, Raw, Unmapped
from processors.money import ZERO
from schemas.records import Address, Order, OrderLine

if TYPE_CHECKING:
    from schemas.records import Money, WebhookReceived

VERSION: Final = 1


class Line(Model):
    """A line; `subtotal` is before discounts, `total` after them, both for the whole quantity and without tax."""

    id: Id = None
    name: str | None = None
    product_id: Id = None
    variation_id: Id = None
    sku: str | None = None
    quantity: int = 0
    subtotal: Amount = None
    total: Amount = None
    price: Amount = None


class Place(Model):
    """A postal address."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    city: str | None = None
    state: str | None = None
    postcode: Id = None
    country: str | None = None
    email: str | None = None
    phone: Id = None


class WooOrder(Model):
    """An order."""

    id: Id = None
    number: Id = None
    status: str | None = None
    currency: str | None = None
    total: Amount = None
    total_tax: Amount = None
    shipping_total: Amount = None
    discount_total: Amount = None
    customer_id: Id = None
    customer_note: str | None = None
    date_created_gmt: str | None = None
    date_created: str | None = None
    date_modified_gmt: str | None = None
    date_modified: str | None = None
    date_paid_gmt: str | None = None
    date_paid: str | None = None
    billing: Place | None = None
    shipping: Place | None = None
    line_items: tuple[Line, ...] = ()
    coupon_lines: Raw = NOTHING
    created_via: Raw = NOTHING
    meta_data: Raw = NOTHING
    payment_method: Raw = NOTHING
    refunds: Raw = NOTHING
    transaction_id: Raw = NOTHING


_ORDER: Final = base.decoder(WooOrder)
_EXTRA: Final = ("coupon_lines", "created_via", "meta_data", "payment_method", "refunds", "transaction_id")
_STATUS: Final = {"cancelled": "cancelled", "trash": "cancelled", "completed": "closed", "refunded": "closed"}
_TYPES: Final = {"cancelled": "order.cancelled", "completed": "order.fulfilled", "refunded": "order.refunded"}


def convert(webhook: WebhookReceived) -> list[Mapped] | Unmapped:
    """Canonical objects of one webhook. Raises MappingError."""
    if webhook.topic not in {"order.created", "order.updated", "order.restored", "order.deleted"}:
        return Unmapped(webhook.topic)
    body = base.decode(_ORDER, webhook.body)
    if webhook.topic == "order.deleted":  # only the id is left; an order that is gone must not be released
        order_id = base.ident(body.id, "id")
        return [Mapped("order.cancelled", order_id, base.thin_order(order_id, "cancelled", None, {"deleted": "true"}), None)]
    order = _order(body)
    created = webhook.topic == "order.created"
    event_type = "order.created" if created else _TYPES.get(body.status or "", "order.updated")
    return [Mapped(event_type, order.id, order, order.updated_at or order.created_at)]


def _order(body: WooOrder) -> Order:
    currency = body.currency or ""
    return Order(
        id=base.ident(body.id, "id"),
        number=base.optional_id(body.number),
        status=_STATUS.get(body.status or "", "open"),
        payment_status=_payment_status(body),
        fulfillment_status="fulfilled" if body.status == "completed" else "unfulfilled",
        total=base.amount(body.total, currency, "total"),
        subtotal=_subtotal(body.line_items, currency),
        tax=base.optional_amount(body.total_tax, currency, "total_tax"),
        shipping=base.optional_amount(body.shipping_total, currency, "shipping_total"),
        discount=base.optional_amount(body.discount_total, currency, "discount_total"),
        lines=[_line(line, index, currency) for index, line in enumerate(body.line_items)],
        customer_id=base.optional_id(body.customer_id or None),  # 0 is a guest
        email=(body.billing.email if body.billing else None) or None,
        shipping_address=_address(body.shipping),
        billing_address=_address(body.billing),
        note=body.customer_note or None,
        tags=[],
        created_at=base.when(body.date_created_gmt or body.date_created, "date_created_gmt"),
        updated_at=base.when(body.date_modified_gmt or body.date_modified, "date_modified_gmt"),
        extra={"status": base.as_json(body.status or ""), **base.leftovers({n: getattr(body, n) for n in _EXTRA})},
    )


def _payment_status(body: WooOrder) -> str:
    if body.status == "refunded":
        return "refunded"
    if body.date_paid_gmt or body.date_paid:
        return "partially_refunded" if bytes(body.refunds).strip() not in {b"", b"[]", b"null"} else "paid"
    return "pending"


def _subtotal(lines: tuple[Line, ...], currency: str) -> Money:
    totals = (base.amount(line.total or 0, currency, f"line_items[{i}].total").amount for i, line in enumerate(lines))
    return base.amount(sum(totals, ZERO), currency, "line_items.total")


def _line(line: Line, index: int, currency: str) -> OrderLine:
    field = f"line_items[{index}]"
    return OrderLine(
        id=base.ident(line.id, f"{field}.id"),
        sku=line.sku or None,
        product_id=base.optional_id(line.product_id),
        variant_id=base.optional_id(line.variation_id or None),
        title=line.name or "",
        quantity=line.quantity,
        unit_price=_unit_price(line, currency, field),
    )


def _unit_price(line: Line, currency: str, field: str) -> Money:
    """Before discounts: `price` is after them, so it is what the whole line cost, divided."""
    whole = base.optional_amount(line.subtotal, currency, f"{field}.subtotal")
    if whole is None or line.quantity < 1:
        return base.amount(line.price or 0, currency, f"{field}.price")
    return base.amount(whole.amount / Decimal(line.quantity), currency, f"{field}.subtotal")


def _address(place: Place | None) -> Address | None:
    if place is None or not (place.address_1 or place.city or place.postcode or place.last_name or place.first_name):
        return None
    return base.address(
        name=" ".join(p for p in (place.first_name, place.last_name) if p),
        company=place.company,
        lines=(place.address_1, place.address_2),
        city=place.city,
        region=place.state,
        postal_code=place.postcode,
        country=place.country,
        phone=place.phone,
    )
