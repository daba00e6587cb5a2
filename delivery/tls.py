"""Whom an endpoint trusts and how the hub names itself to it in TLS: its own CA, a client certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """PEM. `ca` is trusted instead of the public authorities; `certificate` is the hub's with its chain."""

    ca: bytes | None = None
    certificate: bytes | None = None
    private_key: bytes | None = None

    def __repr__(self) -> str:
        return f"Tls(ca={self.ca is not None}, certificate={self.certificate is not None})"


def check(tls: Tls) -> Tls:
    """The same, once it is known that all of it can be read and belongs together. Raises ValueError naming the part."""
    if tls.ca is not None:
        _certificates(tls.ca, "ca")
    if tls.certificate is None and tls.private_key is None:
        return tls
    own = _certificates(tls.certificate or b"", "certificate")[0]
    try:
        key = load_pem_private_key(tls.private_key or b"", None)
    except (ValueError, TypeError) as e:  # TypeError: it wants a password
        raise ValueError("private_key: want a PEM private key without a password") from e
    if _spki(own.public_key()) != _spki(key.public_key()):
        raise ValueError("private_key: does not belong to the first certificate")
    return tls


def _certificates(pem: bytes, field: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as e:
        raise ValueError(f"{field}: want certificates in PEM, -----BEGIN CERTIFICATE-----") from e


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
