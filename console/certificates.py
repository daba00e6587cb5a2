"""PEM as people paste it: certificates and keys really parsed, told apart, matched; what is wrong said in words. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

PEM_MAX: Final = 100_000
CERTIFICATES_MAX: Final = 50


class CertificateView(msgspec.Struct, frozen=True, kw_only=True):
    """What may be told of a certificate."""

    subject: str
    issuer: str
    expires_at: int


class PemError(ValueError):
    """What is wrong with a PEM text, and how to mend it."""


def certificates(pem: str) -> list[Certificate]:
    """The certificates of a PEM text, first to last. Raises PemError."""
    if len(pem) > PEM_MAX:
        raise PemError(f"is longer than {PEM_MAX} characters")
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as e:
        raise PemError(
            "is no PEM certificate: paste the text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
        ) from e
    if len(found) > CERTIFICATES_MAX:
        raise PemError(f"holds {len(found)} certificates: want at most {CERTIFICATES_MAX}")
    return found


def views(pem: str) -> list[CertificateView]:
    """The certificates of a PEM text as callers see them; empty when it cannot be read."""
    try:
        return [_view(c) for c in certificates(pem)]
    except ValueError:
        return []


def authority_problem(pem: str, now_ms: int) -> str | None:
    """What is wrong with certificates that a receiver's certificate is to be checked against; None when nothing is."""
    try:
        return _expiry_problem(certificates(pem), now_ms)
    except PemError as e:
        return str(e)


def client_problems(certificate: str, private_key: str, now_ms: int) -> list[tuple[str, str]]:
    """What is wrong with a client certificate and its key: (certificate or private_key, words)."""
    found: list[tuple[str, str]] = []
    chain: list[Certificate] = []
    key: PrivateKeyTypes | None = None
    try:
        chain = certificates(certificate)
        expired = _expiry_problem(chain[:1], now_ms)
        if expired:
            found.append(("certificate", expired))
    except PemError as e:
        found.append(("certificate", str(e)))
    try:
        key = _key(private_key)
    except PemError as e:
        found.append(("private_key", str(e)))
    if chain and key is not None and _public(chain[0].public_key()) != _public(key.public_key()):
        found.append(
            ("private_key", "does not belong to the first certificate: the client's certificate stands first, its key here")
        )
    return found


def _key(pem: str) -> PrivateKeyTypes:
    if len(pem) > PEM_MAX:
        raise PemError(f"is longer than {PEM_MAX} characters")
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError as e:
        raise PemError("is encrypted: decrypt it first, such as by openssl pkey -in key.pem; it is stored encrypted here") from e
    except (ValueError, UnsupportedAlgorithm) as e:
        raise PemError(
            "is no PEM private key: paste the text from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----"
        ) from e


def _public(key: object) -> bytes:
    form, kind = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.DER
    return key.public_bytes(kind, form)  # type: ignore[attr-defined,no-any-return]  # every kind of public key has it


def _expiry_problem(found: Sequence[Certificate], now_ms: int) -> str | None:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    for certificate in found:
        if certificate.not_valid_after_utc <= now:
            return (
                f"{_name(certificate.subject)} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: send a current certificate"
            )
    return None


def _view(certificate: Certificate) -> CertificateView:
    return CertificateView(
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        expires_at=round(certificate.not_valid_after_utc.timestamp() * 1000),
    )


def _name(name: x509.Name) -> str:
    return name.rfc4514_string()[:300]
