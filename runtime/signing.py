"""Signing secrets as Standard Webhooks writes them: `whsec_` for v1 (HMAC-SHA256), `whsk_` and `whpk_` for v1a (ed25519).

Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme".
"""

from __future__ import annotations

import base64
import secrets
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Kind = Literal["v1", "v1a"]
SHARED: Final = "whsec_"
PRIVATE: Final = "whsk_"
PUBLIC: Final = "whpk_"
BYTES: Final = 32  # of a shared secret, of a seed and of a public key


def new_secret(kind: str) -> str:
    """A new secret: v1 `whsec_` and 32 random bytes; v1a `whsk_`, seed and public key; bytes in base64."""
    if kind == "v1":
        return SHARED + _text(secrets.token_bytes(BYTES))
    if kind == "v1a":
        key = Ed25519PrivateKey.generate()
        return PRIVATE + _text(key.private_bytes_raw() + key.public_key().public_bytes_raw())
    raise ValueError(f"{kind!r} is no signature: want v1 or v1a")


def kind_of(secret: str) -> Kind:
    """What a secret signs: v1 or v1a."""
    return "v1a" if secret.startswith(PRIVATE) else "v1"


def public_key(secret: str) -> str:
    """The `whpk_` key that verifies what a `whsk_` secret signs. Raises ValueError for another secret."""
    if not secret.startswith(PRIVATE):
        raise ValueError(f"only a secret that begins with {PRIVATE} has a public key")
    key = base64.b64decode(secret.removeprefix(PRIVATE), validate=True)
    if len(key) != 2 * BYTES:
        raise ValueError(f"a {PRIVATE} secret holds {2 * BYTES} bytes, this one {len(key)}")
    return PUBLIC + _text(key[BYTES:])


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
