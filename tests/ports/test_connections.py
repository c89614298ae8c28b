"""Messages about untrusted certificates, with real handshakes."""

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from jikko.ports.http import why_untrusted
from tests.certificates import Authority


def refused(server: Authority, trusted: Authority, host: str = "127.0.0.1") -> str:
    """The reason that a strict client has."""
    ours, theirs = socket.socketpair()
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(server.of_server)
    context = ssl.create_default_context(cafile=str(trusted.file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python does from 3.13 on

    def serve() -> None:
        with theirs, suppress(OSError):
            of_server.wrap_socket(theirs, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, pytest.raises(ssl.SSLCertVerificationError) as caught:
            context.wrap_socket(ours, server_hostname=host)
    finally:
        thread.join()
    return why_untrusted(caught.value, "try another")


@pytest.mark.parametrize(
    ("extension", "remedy"),
    [
        (x509.AuthorityKeyIdentifier, "with authorityKeyIdentifier=keyid"),
        (x509.SubjectKeyIdentifier, "with subjectKeyIdentifier=hash"),
        (x509.KeyUsage, "with keyUsage=critical,keyCertSign,cRLSign"),
    ],
)
def test_an_extension_that_strict_checks_miss_is_named_with_what_to_do(
    tmp_path: Path, extension: type[x509.ExtensionType], remedy: str
) -> None:
    authority = Authority(tmp_path, lacking=extension)

    said = refused(authority, authority)

    assert "From Python 3.13 on certificates" in said
    assert said.endswith(remedy)


def test_of_an_unknown_authority_nothing_is_said_of_strict_checks(tmp_path: Path) -> None:
    said = refused(Authority(tmp_path), Authority(tmp_path))

    assert said.endswith("; try another")
    assert "3.13" not in said


def test_a_certificate_of_another_host_is_not_blamed_on_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    said = refused(authority, authority, host="日本.example")

    assert "xn--wgv71a.example" in said or "日本.example" in said
    assert "try another" not in said
