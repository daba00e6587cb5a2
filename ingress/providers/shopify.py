"""Shopify: base64 HMAC-SHA256 of the raw body with the app's client secret; no signed time.

Two families of headers: X-Shopify-* of webhooks, Shopify-* of Events.
Source: shopify.dev, "Verify deliveries" and "Delivery structure" of webhooks and of Events.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Final

from ingress.providers import mac
from ingress.providers.profile import Outcome, Profile, Refused, Request, field, header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingress.providers.profile import Key

SIGNATURES: Final = ("x-shopify-hmac-sha256", "shopify-hmac-sha256")


def _signature(body: bytes, secret: str) -> bytes:
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256"))


def verify(request: Request, keys: Sequence[Key], now_ms: int) -> Outcome:
    """Accept when any active secret made the signature."""
    given = next((request.headers[name] for name in SIGNATURES if name in request.headers), None)
    if given is None:
        return Refused("signature_missing", "the header X-Shopify-Hmac-Sha256 is missing")
    return mac.match(keys, now_ms, [given.encode("latin-1")], lambda secret: _signature(request.body, secret))


def sign(request: Request, secret: str, _now_ms: int) -> dict[str, str]:
    """The signature header."""
    events = "shopify-topic" in request.headers
    return {SIGNATURES[events]: _signature(request.body, secret).decode()}


PROFILE: Final = Profile(
    slug="shopify",
    verify=verify,
    sign=sign,
    delivery=(header("x-shopify-webhook-id"), header("shopify-webhook-id")),
    topic=(header("x-shopify-topic"), header("shopify-topic", "shopify-action")),
    account=(header("x-shopify-shop-domain"), header("shopify-shop-domain")),
    object=(
        ("inventory_levels/", (field("inventory_item_id", "location_id"),)),
        ("orders/edited", (field("order_edit.order_id"),)),
        ("refunds/", (field("order_id"),)),
        ("order_transactions/", (field("order_id"),)),
        ("fulfillment_events/", (field("fulfillment_id"),)),
        ("", (field("id"),)),
    ),
    keep=frozenset(
        f"{family}{name}"
        for family in ("x-shopify-", "shopify-")
        for name in (
            "topic", "action", "handle", "shop-domain", "api-version", "webhook-id", "event-id", "triggered-at", "test", "name",
            "sub-topic",
        )
    ),
    retry_span_s=4 * 3600,
)  # fmt: skip
