"""Encrypted connections, and whom they trust."""

import asyncio
import os
import ssl
import sys
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from jikko.ports.http import HttpFailure
from tests.certificates import Authority
from tests.outbound.clients import client, get
from tests.outbound.server import answer, serving

pytestmark = pytest.mark.anyio
ASKS = """
import asyncio, contextlib, sys, pytest
from tests.certificates import check_strictly
check_strictly(pytest.MonkeyPatch())  # before the HTTP library is imported, which makes its context then
from tests.outbound.clients import client, get
from tests.providers.calling import models_at, request

async def ask(url, *kinds):
    async with client() as http, contextlib.AsyncExitStack() as opened:
        providers = [models_at(url, type=kind) for kind in kinds]
        for models in providers:
            opened.push_async_callback(models.close)
        for asked in (http.send(get(url)), *(models.complete(request()) for models in providers)):
            try:
                await asked
            except Exception as error:
                print(error)

asyncio.run(ask(*sys.argv[1:]))
"""


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
        with pytest.raises(HttpFailure, match=r"certificate of .* is not to be trusted: .*SSL_CERT_FILE") as caught:
            await http.send(get(server.url("/")))

    assert caught.value.kind == "connect"


async def test_and_accepted_if_the_request_says_so(tls: ssl.SSLContext) -> None:
    async with serving({"/": answer(b"ok")}, tls=tls) as server, client() as http:
        assert (await http.send(get(server.url("/"), ssl_verify=False))).body == b"ok"
        # The unchecked connection is not used for a request that wants it checked.
        with pytest.raises(HttpFailure, match="not to be trusted"):
            await http.send(get(server.url("/"), ssl_verify=True))


async def test_a_server_that_does_not_speak_tls_is_told() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server, client() as http:
        port = server.sockets[0].getsockname()[1]
        told = r"^No encrypted connection to .*(WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE)"
        with pytest.raises(HttpFailure, match=told):
            await http.send(get(f"https://127.0.0.1:{port}/"))


async def test_what_is_wrong_with_a_certificate_is_told_of_nodes_and_of_providers(tmp_path: Path) -> None:
    authority = Authority(tmp_path, lacking=x509.AuthorityKeyIdentifier)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.of_server)
    async with serving({"/": answer(b"ok")}, tls=context) as server:
        asking = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ASKS, server.url("/"), "openai", "anthropic"),
            cwd=Path(__file__).parents[2],
            env={**os.environ, "SSL_CERT_FILE": str(authority.file)},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asking.communicate()

    of_node, *of_providers = output.decode().splitlines()
    assert of_node.startswith("The certificate of 127.0.0.1:")
    assert of_node.endswith("have it issued again with authorityKeyIdentifier=keyid")
    assert len(of_providers) == 2
    for told in of_providers:
        assert told.startswith("The connection to the provider at 127.0.0.1 failed: its certificate is not trusted: ")
        assert told.endswith(of_node.rpartition(": ")[2])
