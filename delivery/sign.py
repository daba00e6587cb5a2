"""Standard Webhooks signatures (v1, HMAC-SHA256 over `id.timestamp.body`), one per active secret.

Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "whsec_"


def key_bytes(secret: str) -> bytes:
    """The HMAC key of a `whsec_…` secret. Raises ValueError when it is not base64 or empty."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as e:
        raise ValueError(f"a signing secret is {PREFIX} and base64: {e}") from e
    if not key:
        raise ValueError("a signing secret must not be empty")
    return key


def signature(keys: Iterable[bytes], webhook_id: str, timestamp_s: int, body: bytes) -> str:
    """Value of the webhook-signature header: `v1,…` of each key, separated by spaces."""
    content = b"%b.%d.%b" % (webhook_id.encode(), timestamp_s, body)
    macs = (hmac.digest(key, content, hashlib.sha256) for key in keys)
    return " ".join("v1," + base64.b64encode(mac).decode() for mac in macs)
