"""Standard Webhooks and Svix: `v1,<base64>` HMAC-SHA256 or `v1a,<base64>` ed25519 over `id.timestamp.body`.

Headers webhook-* or svix-*, taken as a whole so that the id that is read is the id that was signed. 300 s of tolerance.
Source: standard-webhooks/standard-webhooks `spec/standard-webhooks.md`, "Webhook Headers" and "Signature scheme".
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingress.providers import mac
from ingress.providers.profile import Outcome, Profile, Refused, Request, Verified, field, header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingress.providers.profile import Key

TOLERANCE_S: Final = 300


def _family(request: Request) -> str:
    return "svix" if "svix-id" in request.headers else "webhook"


def verify(request: Request, keys: Sequence[Key], now_ms: int) -> Outcome:
    """Accept when the time is near and any signature of the list was made by any active secret."""
    family = _family(request)
    delivery, time, listed = (request.headers.get(f"{family}-{name}") for name in ("id", "timestamp", "signature"))
    if not delivery or not time or not listed:
        return Refused("signature_missing", "one of webhook-id, webhook-timestamp and webhook-signature is missing")
    signed_at = mac.seconds(time)
    if signed_at is None:
        return Refused("signature_malformed", "webhook-timestamp must be Unix seconds")
    refused = mac.stale(signed_at, now_ms, TOLERANCE_S)
    if refused is not None:
        return refused
    usable = mac.active(keys, now_ms)
    if not usable:
        return mac.no_secret(keys)
    signed = b"%s.%s.%s" % (delivery.encode("latin-1"), time.encode(), request.body)
    offered = [entry.partition(",") for entry in listed.split(" ")]
    for key in usable:
        for version, _, signature in offered:
            if _matches(version, signature, key.value, signed):
                return Verified(key.id)
    return Refused("signature_mismatch", f"no v1 or v1a signature matches: tried {len(usable)} secret(s) of the source")


def _matches(version: str, signature: str, secret: str, signed: bytes) -> bool:
    try:
        if version == "v1" and not secret.startswith("whpk_"):
            return hmac.compare_digest(_v1(secret, signed), signature.encode("latin-1"))
        if version == "v1a" and secret.startswith("whpk_"):
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(secret[5:], validate=True))
            public.verify(base64.b64decode(signature, validate=True), signed)
            return True
    except (InvalidSignature, binascii.Error, ValueError):
        pass  # a secret or a signature that is none matches nothing
    return False


def _v1(secret: str, signed: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    if not key:
        raise ValueError("an empty secret signs for anybody")
    return base64.b64encode(hmac.digest(key, signed, "sha256"))


def sign(request: Request, secret: str, now_ms: int) -> dict[str, str]:
    """Time and signature headers for a request that has its id header."""
    family = _family(request)
    time = str(now_ms // 1000)
    signed = b"%s.%s.%s" % (request.headers[f"{family}-id"].encode("latin-1"), time.encode(), request.body)
    return {f"{family}-timestamp": time, f"{family}-signature": f"v1,{_v1(secret, signed).decode()}"}


PROFILE: Final = Profile(
    slug="standard-webhooks",
    verify=verify,
    sign=sign,
    delivery=(header("svix-id"), header("webhook-id")),
    topic=(field("type"), field("event_type"), field("eventType")),
    object=(("", (field("data.id"),)),),
    keep=frozenset({"svix-id", "svix-timestamp", "webhook-id", "webhook-timestamp", "user-agent"}),
    retry_span_s=76 * 3600,
)
