"""Certificates of the tests, and who has signed them."""

import secrets
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """Signs a certificate for this machine; both are in files."""

    def __init__(self, folder: Path) -> None:
        self._key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Tests {secrets.token_hex(4)}")])
        self._until = now + timedelta(days=1)
        self._now = now - timedelta(hours=1)
        own = self._made(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        self.file = folder / f"{secrets.token_hex(4)}.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

        key = ec.generate_private_key(ec.SECP256R1())
        here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        certificate = self._made(x509.Name([]), key.public_key(), here)
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        self.of_server = self.file.with_suffix(".server.pem")
        self.of_server.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem)
        )

    def _made(self, subject: x509.Name, key: Any, extension: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            self._name, subject, key, x509.random_serial_number(), self._now, self._until
        ).add_extension(extension, critical=True)
        return builder.sign(self._key, hashes.SHA256())
