"""A certificate authority of a test's own: servers on loopback, clients, their keys, all made in memory."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    """Signs certificates. `pem` is what clients have to trust."""

    def __init__(self, name: str = "test authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        made = self._builder(self._name, self._key).add_extension(basic, critical=True)
        self.certificate = made.sign(self._key, SHA256())
        self.pem = self.certificate.public_bytes(Encoding.PEM).decode()

    def server(self, *names: str) -> tuple[str, str]:
        """Certificate and key of a server of these names, 127.0.0.1 and localhost."""
        alternatives = [x509.DNSName(n) for n in ("localhost", *names)]
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return self._issue("server", x509.SubjectAlternativeName([*alternatives, address]), ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name: str) -> tuple[str, str]:
        """Certificate and key of a client."""
        return self._issue(name, x509.SubjectAlternativeName([x509.DNSName(name)]), ExtendedKeyUsageOID.CLIENT_AUTH)

    def context(self, *names: str, clients: bool = False) -> ssl.SSLContext:
        """A server's side of TLS; with `clients` it asks for a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = self.server(*names)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(certificate + key)
            file.flush()
            context.load_cert_chain(Path(file.name))
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.pem)
        return context

    def _issue(self, name: str, names: x509.SubjectAlternativeName, usage: x509.ObjectIdentifier) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(subject, key).add_extension(names, critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        certificate = made.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()
        return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
