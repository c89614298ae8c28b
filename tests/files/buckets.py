"""S3-compatible server on this machine."""

import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.effort import PATIENCE, trusted

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret"}


class Buckets:
    """Server that gives each test its own bucket."""

    def __init__(self, address: str) -> None:
        self.address = address

    def url(self, name: str) -> str:
        """Return the setting for a bucket, which need not exist."""
        return f"s3://{name}/some/folder?endpoint={self.address}&region=eu-central-1"

    def made(self) -> str:
        """Create a bucket, and return its setting."""
        name = f"bucket-{secrets.token_hex(8)}"
        httpx.put(
            f"{self.address}/{name}", headers={"x-amz-acl": "private"}, verify=trusted(), timeout=PATIENCE
        ).raise_for_status()
        return self.url(name)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Buckets]:
    # Takes a second to import.
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Buckets(f"http://{host}:{port}")
    finally:
        server.stop()


@pytest.fixture
def buckets(s3_server: Buckets, monkeypatch: pytest.MonkeyPatch) -> Buckets:
    """Buckets of an S3-compatible server, with credentials."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return s3_server
