"""Shopify's fulfilments and their carrier events to shipments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.mappings import base
from processors.mappings import shopify_models as m
from processors.mappings.base import Mapped
from processors.money import NO_CURRENCY, money
from schemas.records import OrderLine, Shipment, TrackingEvent

if TYPE_CHECKING:
    from schemas.records import WebhookReceived

_FULFILLMENT: Final = base.decoder(m.Fulfillment)
_EVENT: Final = base.decoder(m.FulfillmentEvent)

_CARRIER: Final = {
    "label_printed": "label",
    "label_purchased": "label",
    "ready_for_pickup": "in_transit",
    "picked_up": "in_transit",
    "carrier_picked_up": "in_transit",
    "confirmed": "pending",
    "in_transit": "in_transit",
    "out_for_delivery": "out_for_delivery",
    "attempted_delivery": "exception",
    "delayed": "exception",
    "failure": "exception",
    "not_delivered": "exception",
    "delivered": "delivered",
}
_FULFILLED: Final = {"cancelled": "cancelled", "error": "exception", "failure": "exception"}
_TYPES: Final = {"delivered": "shipment.delivered", "exception": "shipment.exception"}


def shipment(webhook: WebhookReceived) -> list[Mapped]:
    """fulfillments/create and fulfillments/update. Raises MappingError."""
    body = base.decode(_FULFILLMENT, webhook.body)
    status = _status(body)
    shipment_id = base.ident(body.id, "id")
    found = Shipment(
        id=shipment_id,
        order_id=base.optional_id(body.order_id),
        carrier=body.tracking_company or None,
        tracking_number=base.optional_id(body.tracking_number),
        tracking_url=body.tracking_url or None,
        status=status,
        lines=[_line(line, index) for index, line in enumerate(body.line_items)],
        events=[],
        created_at=base.when(body.created_at, "created_at"),
        updated_at=base.when(body.updated_at, "updated_at"),
        extra=base.leftovers({n: getattr(body, n) for n in ("name", "service", "tracking_numbers")}),
    )
    event_type = "shipment.created" if webhook.topic == "fulfillments/create" else _TYPES.get(status, "shipment.updated")
    return [Mapped(event_type, shipment_id, found, base.when(body.updated_at or body.created_at, "updated_at"))]


def carrier_event(webhook: WebhookReceived) -> list[Mapped]:
    """fulfillment_events/create: one scan of the parcel. Raises MappingError."""
    body = base.decode(_EVENT, webhook.body)
    status = _CARRIER.get(body.status or "", "unknown")
    shipment_id = base.ident(body.fulfillment_id, "fulfillment_id")
    at = base.when(body.happened_at or body.created_at, "happened_at")
    scan = TrackingEvent(
        occurred_at=webhook.received_at if at is None else at,
        status=status,
        message=body.message or body.status or "",
        location=base.one_line((body.city, body.province, base.optional_id(body.zip), body.country)),
    )
    found = Shipment(
        id=shipment_id,
        order_id=base.optional_id(body.order_id),
        status=status,
        lines=[],
        events=[scan],
        estimated_delivery_at=base.when(body.estimated_delivery_at, "estimated_delivery_at"),
        updated_at=at,
        extra={"fulfillment_event_id": base.as_json(base.ident(body.id, "id"))},
    )
    return [Mapped(_TYPES.get(status, "shipment.updated"), shipment_id, found, at)]


def _status(body: m.Fulfillment) -> str:
    if body.status in _FULFILLED:
        return _FULFILLED[body.status]
    if body.shipment_status:
        return _CARRIER.get(body.shipment_status, "unknown")
    return "label" if body.tracking_number else "pending"


def _line(line: m.Line, index: int) -> OrderLine:
    """A line of a fulfilment. Where it names no currency its price stays 0 XXX."""
    price = line.price_set.shop_money if line.price_set else None
    field = f"line_items[{index}].price_set"
    return OrderLine(
        id=base.ident(line.id, f"line_items[{index}].id"),
        sku=line.sku or None,
        product_id=base.optional_id(line.product_id),
        variant_id=base.optional_id(line.variant_id),
        title=line.title or line.name or "",
        quantity=line.quantity,
        unit_price=base.amount(price.amount, price.currency_code or "", field) if price else money(0, NO_CURRENCY),
    )
