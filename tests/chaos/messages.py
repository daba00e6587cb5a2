"""The traffic of a shop: orders with a history, some paid through Stripe, each message signed as its provider signs.

Every payload carries the identity of its message, and the key of its order, to the sink: `chaos_no_17 chaos_key_4`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.bench.client import Head

VERSIONS: Final = 4
_OPEN_ORDERS: Final = 40
_NUMBER: Final = re.compile(rb"chaos_no_(\d+)")
_KEY: Final = re.compile(rb"chaos_key_(\d+)")
RELEASED: Final = "order.released"


@dataclass(frozen=True)
class Message:
    """One webhook. `completes` names a derived event and the messages it needs, on the last of them to be sent."""

    number: int
    key: int
    version: int
    provider: str
    topic: str
    body: bytes
    completes: tuple[str, tuple[str, ...]] | None = None

    @property
    def identity(self) -> str:
        return f"{self.number}"


def identify(event_type: str, body: bytes) -> str | None:
    """The identity of what arrived; None when it carries none. A released order is one event of its key."""
    found = (_KEY if event_type == RELEASED else _NUMBER).search(body)
    if found is None:
        return None
    return f"{RELEASED} {int(found[1])}" if event_type == RELEASED else f"{int(found[1])}"


def traffic(rng: random.Random, *, paid: float, run: int) -> Iterator[Message]:
    """Messages without end: some dozens of orders are open at a time, their histories interleaved."""
    numbers, keys = iter(range(1, 1 << 62)), iter(range(1, 1 << 62))
    open_orders: list[Iterator[Message]] = []
    while True:
        if len(open_orders) < _OPEN_ORDERS:
            open_orders.append(_history(next(keys), numbers, rng, paid=rng.random() < paid, run=run))
        chosen = rng.choice(open_orders)
        message = next(chosen, None)
        if message is None:
            open_orders.remove(chosen)
        else:
            yield message


def _history(key: int, numbers: Iterator[int], rng: random.Random, *, paid: bool, run: int) -> Iterator[Message]:
    """An order's versions in their order; its payment falls anywhere among them, before the order itself too."""
    steps = list(range(VERSIONS))
    if paid:
        steps.insert(rng.randrange(VERSIONS + 1), -1)
    created = payment = None
    for step in steps:
        number = next(numbers)
        if step == -1:
            payment = f"{number}"
        elif step == 0:
            created = f"{number}"
        whole = step in (-1, 0) and created and payment
        completes = (f"{RELEASED} {key}", (created, payment)) if whole and created and payment else None
        if step == -1:
            body = _payment(key, number, run)
            yield Message(number, key, -1, "stripe", "payment_intent.succeeded", body, completes)
        else:
            topic = "orders/create" if step == 0 else "orders/updated"
            yield Message(number, key, step, "shopify", topic, _order(key, number, step, run), completes)


def _order(key: int, number: int, version: int, run: int) -> bytes:
    order = run + key
    line = {"id": order, "product_id": 6320, "variant_id": 8080, "title": "Mug", "quantity": 2, "sku": "MUG-1", "price": "39.20"}
    return json.dumps(
        {
            "id": order, "name": f"#{key}", "order_number": key, "currency": "EUR", "total_price": "78.40",
            "subtotal_price": "78.40", "total_tax": "0.00", "financial_status": "pending", "fulfillment_status": None,
            "created_at": "2026-11-02T09:14:00+01:00", "updated_at": f"2026-11-02T09:14:{version:02}+01:00",
            "email": "ada@example.com", "tags": "", "line_items": [line],
            "note": f"chaos_no_{number} chaos_key_{key}",
        }
    ).encode()  # fmt: skip


def _payment(key: int, number: int, run: int) -> bytes:
    intent = {
        "id": f"pi_{run}_chaos_no_{number}", "object": "payment_intent", "amount": 7840, "amount_capturable": 0,
        "amount_received": 7840, "currency": "eur", "status": "succeeded", "created": 1793606040, "customer": None,
        "metadata": {"order_id": f"{run + key}"}, "payment_method_types": ["card"], "livemode": False,
    }  # fmt: skip
    event = {"id": f"evt_{run}_chaos_no_{number}", "object": "event", "type": "payment_intent.succeeded", "created": 1793606040}
    return json.dumps(event | {"data": {"object": intent}, "livemode": False}).encode()


def shopify_request(head: Head, secret: bytes, message: Message, run: int) -> bytes:
    """The same delivery id on every try, as Shopify does."""
    mac = base64.b64encode(hmac.digest(secret, message.body, hashlib.sha256)).decode()
    lines = (
        f"X-Shopify-Topic: {message.topic}\r\nX-Shopify-Webhook-Id: {run}-{message.number}\r\n"
        f"X-Shopify-Shop-Domain: chaos.myshopify.com\r\nX-Shopify-Hmac-Sha256: {mac}\r\n"
    )
    return head.build(message.body, lines.encode())


def stripe_request(head: Head, secret: bytes, message: Message, now_s: int) -> bytes:
    """Signed anew on every try, as Stripe does; the event's id in the body stays."""
    mac = hmac.digest(secret, b"%d.%b" % (now_s, message.body), hashlib.sha256).hex()
    return head.build(message.body, f"Stripe-Signature: t={now_s},v1={mac}\r\n".encode())
