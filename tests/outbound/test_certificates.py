"""Encrypted connections, and whom they trust."""

import ssl
from pathlib import Path

import pytest
import trustme

from jikko.ports.http import HttpFailure
from tests.outbound.clients import client, get
from tests.outbound.server import answer, serving

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that nobody but itself signed."""
    authority = trustme.CA()
    path: Path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    for part in (authority.private_key_pem, authority.cert_pem):
        part.write_to_path(str(path), append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_certificate_that_nobody_signed_is_refused(tls: ssl.SSLContext) -> None:
    async with serving({"/": answer(b"ok")}, tls=tls) as server, client() as http:
        with pytest.raises(HttpFailure, match=r"certificate of .* is not to be trusted: .*self.signed") as caught:
            await http.send(get(server.url("/")))

    assert caught.value.kind == "connect"


async def test_and_accepted_if_the_request_says_so(tls: ssl.SSLContext) -> None:
    async with serving({"/": answer(b"ok")}, tls=tls) as server, client() as http:
        assert (await http.send(get(server.url("/"), ssl_verify=False))).body == b"ok"
        # The unchecked connection is not used for a request that wants it checked.
        with pytest.raises(HttpFailure, match="not to be trusted"):
            await http.send(get(server.url("/"), ssl_verify=True))


async def test_a_server_that_does_not_speak_tls_is_told() -> None:
    async with serving({"/": answer(b"ok")}) as server, client() as http:
        with pytest.raises(HttpFailure, match=r"No encrypted connection|closed the connection|No connection"):
            await http.send(get(server.url("/").replace("http:", "https:"), connect=2))
