"""Messages about refusing buckets: with radosgw, which checks signatures and permissions, and encrypts."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.files.bucket import BucketBlobs
from tests.certificates import Authority
from tests.files.buckets import CREDENTIALS, Buckets
from tests.files.radosgw import RadosBuckets, RadosServer, rados_running

pytestmark = [pytest.mark.anyio, pytest.mark.services]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def encrypted(authority: Authority) -> Iterator[RadosServer]:
    with rados_running(authority.of_server.read_bytes()) as server:
        yield server


@pytest.fixture
def encrypting(encrypted: RadosServer, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> RadosBuckets:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return RadosBuckets(encrypted.address, authority.file)


async def refused(url: str) -> str:
    with pytest.raises(StoreUnavailable) as raised:
        await BucketBlobs(url).check()
    text = str(raised.value)
    assert text.startswith("The bucket s3://"), text
    assert len(text.splitlines()) == 1
    return text


async def test_keys_that_do_not_fit_and_a_bucket_that_is_not_there_are_told_apart(
    encrypting: RadosBuckets, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = f"{encrypting.made()}&ca={authority.file}"

    assert "no such bucket" in await refused(f"{encrypting.url('no-such-bucket')}&ca={authority.file}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    assert "check AWS_SECRET_ACCESS_KEY" in (told := await refused(made))
    assert "geheim" not in told
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    assert "check AWS_ACCESS_KEY_ID" in await refused(made)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InvalidSettings, match="files_url cannot be used: AWS_ACCESS_KEY_ID is missing"):
        BucketBlobs(made)
    # As a secret of an orchestrator without a value: servers say different things of it, and none that helps.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    with pytest.raises(InvalidSettings, match="files_url cannot be used: AWS_ACCESS_KEY_ID is empty; keys come from"):
        BucketBlobs(made)


class Forgetful(BaseHTTPRequestHandler):
    """Takes everything, and has nothing."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("ETag", '"x"')
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is logged."""


class Website(Forgetful):
    """Answers everything with a page."""

    def do_GET(self) -> None:
        page = b"<html>It works!</html>"
        self.send_response(200)
        for name, value in (("ETag", '"x"'), ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@pytest.mark.parametrize("kind", [Forgetful, Website])
async def test_what_keeps_nothing_is_no_bucket(buckets: Buckets, kind: type[BaseHTTPRequestHandler]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        told = await refused(f"s3://bucket/folder?endpoint=http://127.0.0.1:{server.server_port}&region=eu")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert "an object just written is missing" in told


@pytest.mark.parametrize(
    ("user", "may", "told"),
    [
        ("reader", "read", "it may not be written to by this user"),
        ("writer", "read,write", "it may not be removed from by this user"),
    ],
)
async def test_what_a_user_may_not_do_in_a_bucket_is_told(
    encrypted: RadosServer,
    encrypting: RadosBuckets,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    may: str,
    told: str,
) -> None:
    made = f"{encrypting.made()}&ca={authority.file}"
    encrypted.make_user(user, f"of-{user}", f"--op-mask={may}", "--system")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"of-{user}")

    assert told in await refused(made)


async def test_the_certificate_of_an_endpoint_may_be_of_an_authority_of_ones_own(
    encrypting: RadosBuckets, authority: Authority, tmp_path: Path
) -> None:
    made, other = encrypting.made(), Authority(tmp_path)

    await BucketBlobs(f"{made}&ca={authority.file}").check()
    for wrong in (made, f"{made}&ca={other.file}"):
        assert "the certificate of the endpoint is not trusted" in await refused(wrong)
    assert "does not encrypt" not in await refused(made.replace("https://", "http://"))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_a_file_of_authorities_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(InvalidSettings, match="files_url: ca="):
        BucketBlobs(f"s3://bucket?ca={file}")


async def test_an_endpoint_that_is_not_there_or_does_not_encrypt_is_told(buckets: Buckets) -> None:
    made = buckets.made()

    assert "nothing listens" in await refused("s3://bucket?endpoint=http://127.0.0.1:1&region=eu")
    assert "the host of the endpoint is not known" in await refused(
        "s3://b?endpoint=http://no-such-host.invalid&region=eu"
    )
    assert "does not encrypt" in await refused(made.replace("http://", "https://"))


async def test_an_endpoint_that_hangs_up_is_told(buckets: Buckets) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await refused(f"s3://bucket?endpoint=http://127.0.0.1:{port}&region=eu")

    assert "disconnects before it answers" in told
