"""Signing secrets as Standard Webhooks writes them: made, read, and what a receiver verifies by.

`whsec_` is a symmetric key (v1, HMAC-SHA256), `whsk_` an ed25519 key (v1a), `whpk_` its public half.
Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme".
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

SYMMETRIC: Final = "whsec_"
PRIVATE: Final = "whsk_"
PUBLIC: Final = "whpk_"
Kind = Literal["v1", "v1a"]
KINDS: Final[tuple[Kind, ...]] = ("v1", "v1a")
SEED_BYTES: Final = 32
PAIR_BYTES: Final = 64  # seed and public key, as libsodium and the reference libraries keep it


def new_secret(kind: str = "v1") -> str:
    """A new signing secret of a kind. Raises ValueError when there is no such kind."""
    if kind == "v1":
        return SYMMETRIC + _text(secrets.token_bytes(SEED_BYTES))
    if kind == "v1a":
        key = Ed25519PrivateKey.generate()
        return PRIVATE + _text(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()) + _public(key))
    raise ValueError(f"signature {kind!r} is not known: use {' or '.join(KINDS)}")


def kind_of(secret: str) -> Kind:
    """Which signatures a secret makes: "v1a" for whsk_…, "v1" for all others."""
    return "v1a" if secret.startswith(PRIVATE) else "v1"


def hmac_key(secret: str) -> bytes:
    """The key of a `whsec_…` secret. Raises ValueError when it is not base64 or empty."""
    key = _bytes(secret, SYMMETRIC)
    if not key:
        raise ValueError("a signing secret must not be empty")
    return key


def private_key(secret: str) -> Ed25519PrivateKey:
    """The key of a `whsk_…` secret: base64 of a 32-byte seed, with or without the public key behind it. Raises ValueError."""
    data = _bytes(secret, PRIVATE)
    if len(data) not in {SEED_BYTES, PAIR_BYTES}:
        raise ValueError(f"an asymmetric signing secret is {PRIVATE} and base64 of {SEED_BYTES} or {PAIR_BYTES} bytes")
    key = Ed25519PrivateKey.from_private_bytes(data[:SEED_BYTES])
    if len(data) == PAIR_BYTES and data[SEED_BYTES:] != _public(key):
        raise ValueError("an asymmetric signing secret has a public half that does not belong to it: make a new one")
    return key


def public_key(secret: str) -> str:
    """What receivers verify by: `whpk_…` of a `whsk_…` secret. Raises ValueError."""
    return PUBLIC + _text(_public(private_key(secret)))


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(secret: str, prefix: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(prefix), validate=True)
    except ValueError as e:  # binascii.Error too: letters that are not ASCII raise the former
        # The message of the decoder names positions and lengths, never the secret itself.
        words = str(e) if isinstance(e, binascii.Error) else "it has letters beyond ASCII"
        raise ValueError(f"a signing secret is {prefix} and base64: {words}") from None
