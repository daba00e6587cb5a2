"""Stripe: `t=…,v1=…` in Stripe-Signature, hex HMAC-SHA256 of `t.body`, 300 s of tolerance.

The secret is used whole, `whsec_` included, as UTF-8. Exactly one t; several v1 while a secret is rolled; v0 is a decoy.
Source: docs.stripe.com/webhooks, "Verify manually"; stripe-python `stripe/_webhook.py`.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from ingress.providers import mac
from ingress.providers.profile import Outcome, Profile, Refused, Request, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingress.providers.profile import Key

SIGNATURE: Final = "stripe-signature"
TOLERANCE_S: Final = 300


def _signature(time: str, body: bytes, secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"%s.%s" % (time.encode(), body), "sha256").hex().encode()


def verify(request: Request, keys: Sequence[Key], now_ms: int) -> Outcome:
    """Accept when the time is near and any v1 was made by any active secret."""
    header = request.headers.get(SIGNATURE)
    if header is None:
        return Refused("signature_missing", "the header Stripe-Signature is missing")
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    offered = [value.encode("latin-1") for name, _, value in parts if name == "v1" and value]
    signed_at = mac.seconds(times[0]) if len(times) == 1 else None
    if signed_at is None or not offered:
        return Refused("signature_malformed", "Stripe-Signature must have exactly one t=<seconds> and at least one v1=<hex>")
    return mac.stale(signed_at, now_ms, TOLERANCE_S) or mac.match(
        keys, now_ms, offered, lambda secret: _signature(times[0], request.body, secret)
    )


def sign(request: Request, secret: str, now_ms: int) -> dict[str, str]:
    """The signature header."""
    time = str(now_ms // 1000)
    return {SIGNATURE: f"t={time},v1={_signature(time, request.body, secret).decode()}"}


PROFILE: Final = Profile(
    slug="stripe",
    verify=verify,
    sign=sign,
    delivery=(field("id"),),
    topic=(field("type"),),
    account=(field("account"), field("context")),
    # charges, disputes, refunds and checkout sessions are steps of a payment: one key, so that they stay in order
    object=(
        (
            "",
            (
                field("data.object.payment_intent"),
                field("data.object.charge"),
                field("data.object.id"),
                field("related_object.id"),
            ),
        ),
    ),
    keep=frozenset({"user-agent"}),
    retry_span_s=3 * 24 * 3600,
)
