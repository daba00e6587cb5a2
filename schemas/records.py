"""The records that cross a stage boundary: one frozen struct per .avsc file, tested equal to it.

Field meanings stand in the .avsc files. Times are milliseconds since the epoch, UTC.
"""

from __future__ import annotations

from decimal import Decimal  # noqa: TC003 - msgspec resolves the annotations
from typing import Final

from schemas.config_records import EndpointConfig as EndpointConfig
from schemas.config_records import EndpointStanding as EndpointStanding
from schemas.config_records import ReplayJob as ReplayJob
from schemas.config_records import SecretValue as SecretValue
from schemas.config_records import SourceConfig as SourceConfig
from schemas.record import Record as Record

NAMESPACE: Final = "hookstream"


class WebhookReceived(Record, frozen=True, gc=False, kw_only=True):
    """A webhook whose sender was verified, or an event of the merchant's own, exactly as it came in."""

    id: str
    tenant: str
    source: str
    provider: str
    provider_id: str | None = None
    topic: str
    account: str | None = None
    object_id: str | None = None
    headers: dict[str, str]
    body: bytes
    content_type: str
    received_at: int
    verified_by: str


class WebhookRejected(Record, frozen=True, gc=False, kw_only=True):
    """A request that no source vouched for. Never processed."""

    id: str
    source: str
    tenant: str | None = None
    provider: str | None = None
    reason: str
    detail: str
    remote: str
    size: int
    headers: dict[str, str]
    body: bytes
    received_at: int


class Money(Record, frozen=True, gc=False, kw_only=True):
    """An amount in a currency."""

    amount: Decimal
    currency: str


class Address(Record, frozen=True, gc=False, kw_only=True):
    """A postal address."""

    name: str | None = None
    company: str | None = None
    lines: list[str]
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    phone: str | None = None


class OrderLine(Record, frozen=True, gc=False, kw_only=True):
    """One line of an order."""

    id: str
    sku: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    title: str
    quantity: int
    unit_price: Money


class Order(Record, frozen=True, gc=False, kw_only=True):
    """An order as the hub knows it, the same for every channel."""

    id: str
    number: str | None = None
    status: str
    payment_status: str
    fulfillment_status: str
    total: Money
    subtotal: Money | None = None
    tax: Money | None = None
    shipping: Money | None = None
    discount: Money | None = None
    lines: list[OrderLine]
    customer_id: str | None = None
    email: str | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None
    note: str | None = None
    tags: list[str]
    created_at: int | None = None
    updated_at: int | None = None
    extra: dict[str, str]


class InventoryLevel(Record, frozen=True, gc=False, kw_only=True):
    """How many units of one item are at one location."""

    sku: str | None = None
    item_id: str
    location_id: str
    available: int | None = None
    updated_at: int | None = None
    extra: dict[str, str]


class TrackingEvent(Record, frozen=True, gc=False, kw_only=True):
    """One scan of a carrier."""

    occurred_at: int
    status: str
    message: str
    location: str | None = None


class Shipment(Record, frozen=True, gc=False, kw_only=True):
    """A parcel on its way."""

    id: str
    order_id: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    status: str
    lines: list[OrderLine]
    events: list[TrackingEvent]
    estimated_delivery_at: int | None = None
    created_at: int | None = None
    updated_at: int | None = None
    extra: dict[str, str]


class Payment(Record, frozen=True, gc=False, kw_only=True):
    """A payment of a buyer."""

    id: str
    order_id: str | None = None
    status: str
    authorized: Money | None = None
    captured: Money | None = None
    refunded: Money | None = None
    method: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    created_at: int | None = None
    extra: dict[str, str]


class _Event(Record, frozen=True, gc=False, kw_only=True):
    """What every event says before its data."""

    id: str
    type: str
    tenant: str
    source: str
    channel: str
    provider: str
    object_id: str
    occurred_at: int
    received_at: int
    sequence: int
    raw_topic: str
    raw_partition: int
    raw_offset: int
    mapping_version: int


class OrderEvent(_Event, frozen=True, gc=False, kw_only=True):
    """Something happened to an order."""

    data: Order


class InventoryEvent(_Event, frozen=True, gc=False, kw_only=True):
    """Something happened to an inventory level."""

    data: InventoryLevel


class ShipmentEvent(_Event, frozen=True, gc=False, kw_only=True):
    """Something happened to a shipment."""

    data: Shipment


class PaymentEvent(_Event, frozen=True, gc=False, kw_only=True):
    """Something happened to a payment."""

    data: Payment


class CustomEvent(_Event, frozen=True, gc=False, kw_only=True):
    """An event of the merchant's own, published through /v1/events."""

    data: bytes


class EventUnrouted(Record, frozen=True, gc=False, kw_only=True):
    """An authentic event that reached no endpoint, and why."""

    id: str
    tenant: str
    source: str
    provider: str
    type: str
    object_id: str | None = None
    reason: str
    reasons: dict[str, str]
    raw_topic: str
    raw_partition: int
    raw_offset: int
    received_at: int


class EventQuarantined(Record, frozen=True, gc=False, kw_only=True):
    """A raw record that could not be turned into events, and why."""

    id: str
    tenant: str
    source: str
    provider: str
    topic: str
    cause: str
    detail: str
    raw_topic: str
    raw_partition: int
    raw_offset: int
    received_at: int


class OrderFact(Record, frozen=True, gc=False, kw_only=True):
    """What an order or a payment tells the order workflow, keyed by the order."""

    id: str
    tenant: str
    order_id: str
    kind: str
    payment_id: str
    occurred_at: int
    received_at: int | None = None
    captured: Money | None = None
    order: OrderEvent | None = None


class Capture(Record, frozen=True, gc=False, kw_only=True):
    """What one payment has captured."""

    payment_id: str
    captured: Money


class OrderState(Record, frozen=True, gc=False, kw_only=True):
    """What the order workflow remembers of one order."""

    tenant: str
    order_id: str
    order: OrderEvent | None = None
    captures: list[Capture]
    released_by: str | None = None
    released: OrderEvent | None = None


class Delivery(Record, frozen=True, gc=False, kw_only=True):
    """One event for one endpoint: what is to be sent, and when next."""

    id: str
    webhook_id: str
    tenant: str
    endpoint_id: str
    event_id: str
    event_type: str
    object_key: str
    sequence: int
    payload: bytes
    received_at: int
    queued_at: int
    not_before: int
    attempt: int
    step: int
    lane: str
    replay_id: str | None = None
    last_status: int | None = None
    last_error: str | None = None
    cause: str | None = None
    command: str | None = None


class Attempt(Record, frozen=True, gc=False, kw_only=True):
    """One attempt of one delivery, with everything a person would ask about it."""

    delivery_id: str
    webhook_id: str
    tenant: str
    endpoint_id: str
    event_id: str
    event_type: str
    object_key: str
    attempt: int
    state: str
    status: int | None = None
    error_class: str | None = None
    error: str | None = None
    url: str
    started_at: int
    dns_ms: float
    connect_ms: float
    tls_ms: float
    first_byte_ms: float
    total_ms: float
    response_headers: dict[str, str]
    response_head: bytes
    response_cut: bool
    next_attempt_at: int | None = None
    lane: str
    received_at: int
    queued_at: int
    delivery_topic: str
    delivery_partition: int
    delivery_offset: int
    replay_id: str | None = None
    batch_id: str | None = None


CanonicalEvent = OrderEvent | InventoryEvent | ShipmentEvent | PaymentEvent
"""Every commerce event; the union the mappings produce."""

Event = CanonicalEvent | CustomEvent
"""Everything that is routed."""
