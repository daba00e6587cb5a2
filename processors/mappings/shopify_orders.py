"""Shopify's order to ours. What the topic says (paid, cancelled, fulfilled) holds even where the body lags behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.mappings import base
from processors.mappings import shopify_models as m
from schemas.records import Address, Order, OrderLine

if TYPE_CHECKING:
    from schemas.records import Money

_PAYMENT: Final = {
    **{s: s for s in ("pending", "authorized", "partially_paid", "paid", "partially_refunded", "refunded", "voided")},
    "unpaid": "pending",
    "expired": "voided",
}
_FULFILLMENT: Final = {
    **dict.fromkeys(("", "unfulfilled", "unshipped", "pending", "open", "restocked"), "unfulfilled"),
    "partial": "partial",
    "fulfilled": "fulfilled",
}


def order(body: m.ShopifyOrder, topic: str) -> Order:
    """The order after what the topic says happened. Raises MappingError."""
    currency = body.currency or ""
    return Order(
        id=base.ident(body.id, "id"),
        number=body.name or base.optional_id(body.order_number),
        status=_status(body, topic),
        payment_status="paid" if topic == "orders/paid" else _PAYMENT.get(body.financial_status or "pending", "unknown"),
        fulfillment_status="fulfilled"
        if topic == "orders/fulfilled"
        else _FULFILLMENT.get(body.fulfillment_status or "", "unknown"),
        total=base.amount(body.total_price, currency, "total_price"),
        subtotal=base.optional_amount(body.subtotal_price, currency, "subtotal_price"),
        tax=base.optional_amount(body.total_tax, currency, "total_tax"),
        shipping=_shipping(body, currency),
        discount=base.optional_amount(body.total_discounts, currency, "total_discounts"),
        lines=lines(body.line_items, currency),
        customer_id=base.optional_id(body.customer.id) if body.customer else None,
        email=body.email or body.contact_email or (body.customer.email if body.customer else None) or None,
        shipping_address=_address(body.shipping_address),
        billing_address=_address(body.billing_address),
        note=body.note or None,
        tags=[tag.strip() for tag in (body.tags or "").split(",") if tag.strip()],
        created_at=base.when(body.created_at, "created_at"),
        updated_at=base.when(body.updated_at, "updated_at"),
        extra=base.leftovers({name: getattr(body, name) for name in m.ORDER_EXTRA}),
    )


def lines(found: tuple[m.Line, ...], currency: str) -> list[OrderLine]:
    """The lines of an order or a fulfilment. Raises MappingError."""
    return [
        OrderLine(
            id=base.ident(line.id, f"line_items[{index}].id"),
            sku=line.sku or None,
            product_id=base.optional_id(line.product_id),
            variant_id=base.optional_id(line.variant_id),
            title=line.title or line.name or "",
            quantity=line.quantity,
            unit_price=base.amount(line.price, currency, f"line_items[{index}].price"),
        )
        for index, line in enumerate(found)
    ]


def _status(body: m.ShopifyOrder, topic: str) -> str:
    if body.cancelled_at or topic == "orders/cancelled":
        return "cancelled"
    return "closed" if body.closed_at else "open"


def _shipping(body: m.ShopifyOrder, currency: str) -> Money | None:
    found = body.total_shipping_price_set
    if found is None or found.shop_money is None:
        return None
    return base.optional_amount(found.shop_money.amount, currency, "total_shipping_price_set")


def _address(place: m.Place | None) -> Address | None:
    if place is None:
        return None
    return base.address(
        name=place.name or " ".join(p for p in (place.first_name, place.last_name) if p),
        company=place.company,
        lines=(place.address1, place.address2),
        city=place.city,
        region=place.province_code or place.province,
        postal_code=place.zip,
        country=place.country_code or place.country,
        phone=place.phone,
    )
