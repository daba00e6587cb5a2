"""Shopify's objects, as far as the mapping reads them. Source: shopify.dev, REST Admin API, webhook topics."""

from __future__ import annotations

from processors.mappings.base import NOTHING, Amount, Id, Model, Raw


class Price(Model):
    """One amount of a set."""

    amount: Amount = None
    currency_code: str | None = None


class MoneySet(Model):
    """An amount in the shop's currency, and in the buyer's, which is not read."""

    shop_money: Price | None = None


class Line(Model):
    """A line of an order or of a fulfilment."""

    id: Id = None
    sku: str | None = None
    product_id: Id = None
    variant_id: Id = None
    title: str | None = None
    name: str | None = None
    quantity: int = 0
    price: Amount = None
    price_set: MoneySet | None = None


class Place(Model):
    """A postal address."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: Id = None
    country: str | None = None
    country_code: str | None = None
    phone: Id = None


class Customer(Model):
    """Who ordered."""

    id: Id = None
    email: str | None = None


class ShopifyOrder(Model):
    """An order."""

    id: Id = None
    name: str | None = None
    order_number: Id = None
    currency: str | None = None
    total_price: Amount = None
    subtotal_price: Amount = None
    total_tax: Amount = None
    total_discounts: Amount = None
    total_outstanding: Amount = None
    total_shipping_price_set: MoneySet | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    cancelled_at: str | None = None
    closed_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    email: str | None = None
    contact_email: str | None = None
    note: str | None = None
    tags: str | None = None
    customer: Customer | None = None
    line_items: tuple[Line, ...] = ()
    shipping_address: Place | None = None
    billing_address: Place | None = None
    cancel_reason: Raw = NOTHING
    current_total_price: Raw = NOTHING
    discount_codes: Raw = NOTHING
    location_id: Raw = NOTHING
    note_attributes: Raw = NOTHING
    payment_gateway_names: Raw = NOTHING
    po_number: Raw = NOTHING
    presentment_currency: Raw = NOTHING
    source_name: Raw = NOTHING
    test: Raw = NOTHING


ORDER_EXTRA = (
    "cancel_reason", "current_total_price", "discount_codes", "location_id", "note_attributes", "payment_gateway_names",
    "po_number", "presentment_currency", "source_name", "test",
)  # fmt: skip


class Edit(Model):
    """What an order edit changed; the order itself is not in it."""

    order_id: Id = None
    committed_at: str | None = None
    created_at: str | None = None


class Edited(Model):
    """Body of orders/edited: an Edit, kept as sent."""

    order_edit: Raw


class Transaction(Model):
    """Body of order_transactions/create, and one transaction of a refund."""

    id: Id = None
    order_id: Id = None
    kind: str = ""
    status: str = ""
    amount: Amount = None
    currency: str | None = None
    gateway: str | None = None
    created_at: str | None = None
    processed_at: str | None = None
    error_code: str | None = None
    message: str | None = None


class RefundLine(Model):
    """One line of a refund."""

    total_tax: Amount = None
    subtotal_set: MoneySet | None = None


class Refund(Model):
    """Body of refunds/create."""

    id: Id = None
    order_id: Id = None
    created_at: str | None = None
    processed_at: str | None = None
    note: Raw = NOTHING
    transactions: tuple[Transaction, ...] = ()
    refund_line_items: tuple[RefundLine, ...] = ()


class Level(Model):
    """Body of inventory_levels/*."""

    inventory_item_id: Id = None
    location_id: Id = None
    available: int | None = None
    updated_at: str | None = None


class Fulfillment(Model):
    """Body of fulfillments/*."""

    id: Id = None
    order_id: Id = None
    status: str | None = None
    shipment_status: str | None = None
    tracking_company: str | None = None
    tracking_number: Id = None
    tracking_url: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    line_items: tuple[Line, ...] = ()
    name: Raw = NOTHING
    service: Raw = NOTHING
    tracking_numbers: Raw = NOTHING


class FulfillmentEvent(Model):
    """Body of fulfillment_events/create: one scan."""

    id: Id = None
    fulfillment_id: Id = None
    order_id: Id = None
    status: str | None = None
    message: str | None = None
    happened_at: str | None = None
    created_at: str | None = None
    estimated_delivery_at: str | None = None
    city: str | None = None
    province: str | None = None
    country: str | None = None
    zip: Id = None
