"""Webhooks for the tests of the processors."""

from __future__ import annotations

import json
from typing import Any

from processors.normalize import Pointer
from schemas.records import WebhookReceived

AT = 1_790_000_000_000
HERE = Pointer("webhooks.received", 1, 2)
SHOP = "acme.myshopify.com"


def webhook(provider: str, topic: str, body: Any, **fields: Any) -> WebhookReceived:
    """A verified webhook; a body that is not bytes is sent as JSON."""
    values = {
        "id": "rcv_1", "tenant": "acme", "source": "src", "provider": provider, "topic": topic, "headers": {},
        "content_type": "application/json", "received_at": AT, "verified_by": "s1",
    }  # fmt: skip
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode(errors="replace")
    return WebhookReceived(body=data, **{**values, **fields})


def shopify_order(number: int, topic: str = "orders/create", **body: Any) -> WebhookReceived:
    """An order webhook of a shop; `number` makes its identity."""
    order = {
        "id": number, "name": f"#{number}", "currency": "EUR", "total_price": "78.40", "financial_status": "pending",
        "created_at": "2026-09-01T08:15:00Z", "updated_at": "2026-09-01T08:15:00Z", "note": f"order_no={number}",
        "line_items": [{"id": 1, "title": "T-shirt", "quantity": 2, "price": "24.90"}],
    }  # fmt: skip
    return webhook(
        "shopify", topic, {**order, **body}, id=f"rcv_{topic}_{number}", source="shop", account=SHOP, object_id=str(number)
    )


def stripe_payment(number: int, order_id: int, cents: int = 7840) -> WebhookReceived:
    """A captured payment that names an order."""
    intent = {
        "id": f"pi_{number}",
        "currency": "eur",
        "amount": cents,
        "amount_received": cents,
        "metadata": {"order_id": str(order_id)},
    }
    body = {"id": f"evt_{number}", "type": "payment_intent.succeeded", "created": 1_788_250_600, "data": {"object": intent}}
    return webhook("stripe", "payment_intent.succeeded", body, id=f"rcv_pi_{number}", source="pay", object_id=f"pi_{number}")
