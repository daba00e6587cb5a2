"""EasyPost v1: `hmac-sha256-hex=…` in X-Hmac-Signature over the raw body, the secret NFKD-normalised; no signed time.

Source: EasyPost/easypost-python `easypost/util.py`; support.easypost.com, "Webhook HMAC validation".
"""

from __future__ import annotations

import hmac
import unicodedata
from typing import TYPE_CHECKING, Final

from ingress.providers import mac
from ingress.providers.profile import Outcome, Profile, Refused, Request, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingress.providers.profile import Key

SIGNATURE: Final = "x-hmac-signature"
PREFIX: Final = b"hmac-sha256-hex="


def _signature(body: bytes, secret: str) -> bytes:
    key = unicodedata.normalize("NFKD", secret).encode()
    return PREFIX + hmac.digest(key, body, "sha256").hex().encode()


def verify(request: Request, keys: Sequence[Key], now_ms: int) -> Outcome:
    """Accept when any active secret made the signature."""
    given = request.headers.get(SIGNATURE)
    if given is None:
        return Refused("signature_missing", "the header X-Hmac-Signature is missing: give the EasyPost webhook a secret")
    return mac.match(keys, now_ms, [given.encode("latin-1")], lambda secret: _signature(request.body, secret))


def sign(request: Request, secret: str, _now_ms: int) -> dict[str, str]:
    """The signature header."""
    return {SIGNATURE: _signature(request.body, secret).decode()}


PROFILE: Final = Profile(
    slug="easypost",
    verify=verify,
    sign=sign,
    delivery=(field("id"),),
    topic=(field("description"),),
    account=(field("user_id"),),
    object=(("", (field("result.id"),)),),
    keep=frozenset({"user-agent"}),
)
