"""Servers with mutual TLS to database, NATS and bucket, under a private authority."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO
from tests.certificates import Authority
from tests.cluster.test_nats_access import configured
from tests.files.buckets import CREDENTIALS
from tests.files.radosgw import RadosBuckets, rados_running
from tests.store.test_database_tls import serving

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_a_server_of_two_workers_works_with_all_three_encrypted(tmp_path: Path) -> None:
    authority, own = Authority(tmp_path), tmp_path / "own.pem"
    own.touch(0o600)
    own.write_bytes(authority.of_server.read_bytes())
    pem, ca = authority.of_server, authority.file
    nats = f"tls {{ cert_file: '{pem}', key_file: '{pem}', ca_file: '{ca}', verify: true }}"
    file = tmp_path / "echo.yml"
    file.write_text(ECHO, encoding="utf-8")
    with (
        serving(pem, ca) as database,
        configured(tmp_path, nats) as of_nats,
        rados_running(pem.read_bytes()) as bucket,
    ):
        settings = {
            "JIKKO_DATABASE_URL": f"{database}verify-full&sslrootcert={ca}&sslcert={own}&sslkey={own}",
            "JIKKO_NATS_URL": of_nats.url.replace("nats://", "tls://"),
            "JIKKO_NATS_CA": str(ca),
            "JIKKO_NATS_CERTIFICATE": str(own),
            "JIKKO_FILES_URL": f"{RadosBuckets(bucket.address, ca).made()}&ca={ca}",
            "JIKKO_WORKERS": "2",
            **CREDENTIALS,
        }
        jikko = Command(tmp_path / "home")
        looked = jikko("doctor", "--cluster", **settings)
        key = jikko("apps", "import", file, "--json", **settings).lines[0]["api_key"]
        with closing(Server(jikko.home, settings=settings)) as server, closing(Client(server.url, key)) as client:
            outputs = client.run(q="鍵 🔑")["data"]["outputs"]
            sent = {"file": ("note.txt", b"x", "text/plain")}
            uploaded = client.request("POST", "/v1/files/upload", files=sent, data={"user": client.user})

    assert looked.code == 0, looked
    assert (outputs, uploaded.status_code) == ({"q": "鍵 🔑"}, 201)
