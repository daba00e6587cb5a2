"""WooCommerce: base64 HMAC-SHA256 of the raw body with the webhook's secret; no signed time, no retries.

On creation it sends an unsigned ping, the form field `webhook_id`: it wants 200, or the webhook is not saved as active.
Source: woocommerce/woocommerce `includes/class-wc-webhook.php`, generate_signature and deliver_ping.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING, Final

from ingress.providers import mac
from ingress.providers.profile import Handshake, Outcome, Profile, Refused, Request, field, header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingress.providers.profile import Key

SIGNATURE: Final = "x-wc-webhook-signature"
_PING: Final = re.compile(rb"webhook_id=[0-9]{1,20}")


def _signature(body: bytes, secret: str) -> bytes:
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256"))


def verify(request: Request, keys: Sequence[Key], now_ms: int) -> Outcome:
    """Accept when any active secret made the signature; answer the ping."""
    given = request.headers.get(SIGNATURE)
    if given is None:
        if _PING.fullmatch(request.body):
            return Handshake("ping")
        return Refused("signature_missing", "the header X-WC-Webhook-Signature is missing")
    return mac.match(keys, now_ms, [given.encode("latin-1")], lambda secret: _signature(request.body, secret))


def sign(request: Request, secret: str, _now_ms: int) -> dict[str, str]:
    """The signature header."""
    return {SIGNATURE: _signature(request.body, secret).decode()}


PROFILE: Final = Profile(
    slug="woocommerce",
    verify=verify,
    sign=sign,
    delivery=(header("x-wc-webhook-delivery-id"),),
    topic=(header("x-wc-webhook-topic"),),
    account=(header("x-wc-webhook-source"),),
    object=(("", (field("id"),)),),
    keep=frozenset(f"x-wc-webhook-{name}" for name in ("topic", "resource", "event", "source", "id", "delivery-id")),
    retry_span_s=0,
)
