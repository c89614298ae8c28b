"""Test certificates and their authorities."""

import secrets
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_CRITICAL = (x509.BasicConstraints, x509.KeyUsage, x509.SubjectAlternativeName)


def check_strictly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make TLS contexts check strictly, as in Python 3.13."""
    make = ssl.create_default_context

    def strict(*arguments: Any, **options: Any) -> ssl.SSLContext:
        made = make(*arguments, **options)
        made.verify_flags |= ssl.VERIFY_X509_STRICT
        return made

    monkeypatch.setattr(ssl, "create_default_context", strict)


class Authority:
    """Authority that signs a certificate for this machine; both are files that pass strict checks.

    Args:
        lacking: Extension to omit from both.
    """

    def __init__(self, folder: Path, lacking: type[x509.ExtensionType] | None = None) -> None:
        self._key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Tests {secrets.token_hex(4)}")])
        self._until = now + timedelta(days=1)
        self._now = now - timedelta(hours=1)
        self._lacking = lacking
        unsigned = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
        without = dict.fromkeys((*unsigned, "key_agreement", "encipher_only", "decipher_only"), False)
        may = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **without)
        own = self._made(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None), may)
        self.file = folder / f"{secrets.token_hex(4)}.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._made(
            x509.Name([]), key, x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        )
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        self.of_server = self.file.with_suffix(".server.pem")
        self.of_server.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem)
        )

    def _made(self, subject: x509.Name, key: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            self._name, subject, key.public_key(), x509.random_serial_number(), self._now, self._until
        )
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension in (*extensions, x509.SubjectKeyIdentifier.from_public_key(key.public_key()), signer):
            if type(extension) is not self._lacking:
                builder = builder.add_extension(extension, critical=isinstance(extension, _CRITICAL))
        return builder.sign(self._key, hashes.SHA256())
