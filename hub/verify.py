"""Verifies a delivery as a receiver would: Standard Webhooks v1, pure.

Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Verifying webhook authenticity".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOLERANCE_S: Final = 300


def why_not(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now_s: int) -> str | None:
    """Why a delivery is not genuine; None when it is. Header names in lower case."""
    webhook_id, stamp, signatures = (headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    if not (webhook_id and stamp and signatures):
        return "webhook-id, webhook-timestamp or webhook-signature is missing"
    if not (stamp.isascii() and stamp.isdecimal()) or abs(now_s - int(stamp)) > TOLERANCE_S:
        return f"webhook-timestamp {stamp} is more than {TOLERANCE_S} s from now"
    content = f"{webhook_id}.{stamp}.".encode() + body
    for secret in secrets:
        expected = b"v1," + base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256))
        if any(hmac.compare_digest(expected, given.encode()) for given in signatures.split(" ")):
            return None
    return "no signature matches the secret"


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as e:
        raise ValueError(f"a signing secret is whsec_ and base64: {e}") from e
