"""Standard Webhooks signatures over `id.timestamp.body`, one per active secret: v1 (HMAC-SHA256) and v1a (ed25519).

Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme".
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from runtime import signing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Signer = Callable[[bytes], str]


def signer(secret: str) -> Signer:
    """What signs with this secret, by its kind. Raises ValueError when the secret is not usable."""
    return _ed25519(secret) if signing.kind_of(secret) == "v1a" else _hmac(secret)


def signature(signers: Iterable[Signer], webhook_id: str, timestamp_s: int, body: bytes) -> str:
    """Value of the webhook-signature header: one signature of each, separated by spaces."""
    content = b"%b.%d.%b" % (webhook_id.encode(), timestamp_s, body)
    return " ".join([sign(content) for sign in signers])


def _hmac(secret: str) -> Signer:
    keyed = HMAC(signing.hmac_key(secret), SHA256())  # a copy of a keyed one costs half of starting anew

    def sign(content: bytes) -> str:
        mac = keyed.copy()
        mac.update(content)
        return "v1," + b2a_base64(mac.finalize(), newline=False).decode()

    return sign


def _ed25519(secret: str) -> Signer:
    key = signing.private_key(secret)
    return lambda content: "v1a," + b2a_base64(key.sign(content), newline=False).decode()
