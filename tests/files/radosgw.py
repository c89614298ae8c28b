"""Second S3-compatible server: Debian's radosgw of Ceph, with buckets in SQLite and without a cluster."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from jikko.server.local_cluster.local_service import as_plain_user
from tests.effort import PATIENCE
from tests.files.buckets import CREDENTIALS, Buckets
from tests.free_ports import free_port

_KEEPS_ALONE: Final = ("--no-mon-config", "--rgw_backend_store=dbstore", "--rgw_config_store=dbstore")
_SETTINGS: Final = """
[global]
fsid = 11111111-1111-1111-1111-111111111111
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = {folder}
log_file = {folder}/log
admin_socket = {folder}/$name.asok
[client.rgw]
rgw_data = {folder}/data
dbstore_db_dir = {folder}/data
dbstore_db_name_prefix = jikko
rgw_frontends = beast {where}
rgw_enable_apis = s3
"""


class RadosBuckets(Buckets):
    """Buckets of radosgw."""

    def __init__(self, address: str, authority: Path | None = None) -> None:
        """Args:
        authority: Issuer of its certificate."""
        super().__init__(address)
        self._authority = authority

    def made(self) -> str:
        import boto3

        url = self.url(f"bucket-{os.urandom(8).hex()}")
        signed = {"aws_access_key_id": "access", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        client = boto3.client(
            "s3", endpoint_url=self.address, verify=self._authority and str(self._authority), **signed
        )
        try:
            client.create_bucket(Bucket=url.partition("//")[2].partition("/")[0])
        finally:
            client.close()
        return url


class RadosServer:
    """radosgw, run by an unprivileged user in a separate folder."""

    def __init__(self, folder: Path, certificate: bytes = b"") -> None:
        """Args:
        certificate: With its private key, as PEM; empty for no encryption."""
        self._folder = folder
        self._port = free_port()
        self._scheme, where = "http", f"endpoint=127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        if certificate:
            (folder / "server.pem").write_bytes(certificate)
            self._scheme, where = "https", f"ssl_endpoint=127.0.0.1:{self._port} ssl_certificate={folder}/server.pem"
        (folder / "ceph.conf").write_text(_SETTINGS.format(folder=folder, where=where))
        self._plain: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL, "env": {"PATH": os.environ["PATH"]}}
        self._plain |= as_plain_user(folder, folder / "data")

    @property
    def address(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Create the user, and wait until the server answers."""
        self.make_user(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
        with (self._folder / "out").open("wb") as out:
            self._process = subprocess.Popen([*self._command("radosgw"), "-f"], stdout=out, stderr=out, **self._plain)
        while True:
            assert self._process.poll() is None, (self._folder / "out").read_text()
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                pass

    def make_user(self, key: str, secret: str, *more: str) -> None:
        """Args:
        key: Also the user's name.
        more: Options of the server's own command."""
        user = ["user", "create", f"--uid={key}", "--display-name=Jikko", f"--access-key={key}", f"--secret={secret}"]
        command = [*self._command("radosgw-admin"), *user, *more]
        hung = 0
        while True:
            try:
                made = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE, **self._plain)
                break
            except subprocess.TimeoutExpired:  # occasionally it never ends, whether or not its work is done
                hung += 1
                assert hung < 5, "radosgw-admin hangs each time"
                if self._process is None:
                    # A retry could wait for remains of this attempt, and nothing else exists yet.
                    shutil.rmtree(self._folder / "data")
                    (self._folder / "data").mkdir()
                    as_plain_user(self._folder, self._folder / "data")
        assert made.returncode in ((0, errno.EEXIST) if hung else (0,)), made.stderr.decode()

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(PATIENCE)
            self._process = None

    def _command(self, program: str) -> list[str]:
        where = f"--dbstore_config_uri=file://{self._folder}/data/config.db"
        return [program, "-n", "client.rgw", "-c", f"{self._folder}/ceph.conf", *_KEEPS_ALONE, where]


@contextmanager
def rados_running(certificate: bytes = b"") -> Iterator[RadosServer]:
    """Run one server."""
    with tempfile.TemporaryDirectory(prefix="jikko-rgw-") as folder:
        server = RadosServer(Path(folder), certificate)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def rados_server() -> Iterator[RadosBuckets]:
    with rados_running() as server:
        yield RadosBuckets(server.address)


@pytest.fixture
def rados_buckets(rados_server: RadosBuckets, monkeypatch: pytest.MonkeyPatch) -> RadosBuckets:
    """Buckets of a second, independent S3-compatible server, with credentials."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return rados_server


RADOS = pytest.param("radosgw", marks=[pytest.mark.services])
"""Parameter of fixtures with one implementation each."""
