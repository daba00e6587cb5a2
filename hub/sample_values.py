"""The variables of a sample: ids of its own, invented customers and wares, and the sums that follow from them."""

from __future__ import annotations

import string
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Values = dict[str, Any]
INPUTS: Final = ("age_s", "price", "quantity", "shipping", "currency", "total")
"""Variables that no template has: others are made from them."""
_MINOR: Final = {"JPY": 0, "KRW": 0, "KWD": 3}  # digits after the point, where they are not two


def values_of(given: Mapping[str, object], defaults: Values, *, topic: str, now_ms: int, provider: str) -> Values:
    """All variables: ids of this call, the topic's defaults, what was given, and what follows from these."""
    v: Values = {**_ids(provider), **_CONSTANTS, **defaults, **given, "topic": topic}
    v |= _times(now_ms, int(v["age_s"]))
    price, shipping = Decimal(str(v["price"])), Decimal(str(v["shipping"]))
    subtotal = price * int(v["quantity"])
    total = Decimal(str(given.get("total", subtotal + shipping)))
    amount = int(total.scaleb(_MINOR.get(str(v["currency"]).upper(), 2)))
    v |= {
        "price": str(price),
        "shipping": str(shipping),
        "subtotal": str(subtotal),
        "total": str(total),
        "outstanding": str(total) if v["financial_status"] in {"pending", "authorized"} else "0.00",
        "amount": amount,
        "amount_received": amount if v["received"] else 0,
        "amount_refunded": amount if v["refunded"] else 0,
        "currency_lower": str(v["currency"]).lower(),
        "cancelled_at": v["now"] if v["cancelled"] else None,
        "number_text": str(v["number"]),
    }
    return {**v, **given}


_CONSTANTS: Final[Values] = {
    "age_s": 900,
    "available": 42,
    "cancel_reason": None,
    "cancelled": False,
    "carrier": "DHL",
    "currency": "EUR",
    "customer_id": 6120447713,
    "email": "mira.okonkwo@example.com",
    "financial_status": "pending",
    "fulfillment_status": None,
    "last_payment_error": None,
    "location_id": 70311,
    "message": "Arrived at the parcel centre",
    "note": "",
    "previous_status": "pre_transit",
    "price": "24.50",
    "quantity": 2,
    "reason": "fraudulent",
    "received": True,
    "refunded": False,
    "shipment_status": None,
    "shipping": "4.90",
    "shop": "willow-and-wool.myshopify.com",
    "sku": "WOOL-SCARF-TEAL",
    "status": "",
    "status_detail": "arrived_at_facility",
    "title": "Wool scarf, teal",
}


def _ids(provider: str) -> Values:
    """Ids of one call. Those of orders and the like are numbers, as shops have them."""
    token = uuid.uuid4()
    number = 1_000_000 + token.int % 9_000_000
    short = token.hex[:24]
    delivery = {"stripe": f"evt_{short}", "easypost": f"evt_{token.hex}", "standard-webhooks": f"msg_{short}"}
    big = 5_000_000_000_000 + (token.int >> 32) % 4_000_000_000_000
    return {
        "delivery_id": delivery.get(provider, str(token)),
        "order_id": big if provider != "woocommerce" else number,
        "number": number,
        "payment_id": f"pi_{short}",
        "charge_id": f"ch_{short}",
        "dispute_id": f"du_{short}",
        "request_id": f"req_{short[:14]}",
        "idempotency_key": str(token),
        "tracker_id": f"trk_{token.hex}",
        "shipment_id": f"shp_{token.hex}",
        "tracking_number": f"00{token.int % 10**18:018d}",
        "transaction_id": big + 3,
        "fulfillment_id": big + 1,
        "refund_id": big + 2,
        "line_id": big + 4,
        "shipping_line_id": big + 5,
        "inventory_item_id": big + 6,
        "object_id": f"obj_{short}",
        "token": token.hex[:13],
    }


def _times(now_ms: int, age_s: int) -> Values:
    def iso(ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    created_ms = now_ms - age_s * 1000
    return {
        "now": iso(now_ms),
        "now_s": now_ms // 1000,
        "now_plain": iso(now_ms)[:19],
        "created_at": iso(created_ms),
        "created_at_plain": iso(created_ms)[:19],
        "paid_at_plain": iso(created_ms)[:19],
        "expected_at": iso(now_ms + 2 * 86_400_000),
    }


def names(text: str) -> set[str]:
    """The variables in a template."""
    return set(string.Template(text).get_identifiers())


def render(node: Any, values: Values) -> Any:
    """The template with its variables filled in."""
    if isinstance(node, dict):
        return {key: render(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [render(item, values) for item in node]
    if isinstance(node, str) and "$" in node:
        return values[node[1:]] if node[1:].isidentifier() and node[0] == "$" else string.Template(node).substitute(values)
    return node
