"""``sslmode`` and ``sslrootcert`` of ``database_url``, with PostgreSQL that encrypts, and that does not."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jikko.errors import InvalidSettings, JikkoError, StoreUnavailable
from jikko.store.postgres.database import Postgres
from tests.certificates import Authority
from tests.free_ports import free_port
from tests.store.postgres_server import DURABLE, PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]
ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@contextmanager
def serving(certificate: Path | None = None, clients: Path | None = None) -> Iterator[str]:
    """A server that listens for connections of TCP. Gives its address, to which parts are to be added.

    Args:
        certificate: With its key. ``None``: it does not encrypt.
        clients: Who has signed the certificates that it wants of clients. ``None``: it wants none.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="jikko-pg-") as name:
        folder = Path(name)
        settings = [*DURABLE, "listen_addresses=127.0.0.1", f"port={port}"]
        if certificate is not None:
            # It wants nobody else to read the key.
            own = folder / "server.pem"
            settings += ["ssl=on", f"ssl_cert_file={own}", f"ssl_key_file={own}"]
        if clients is not None:
            settings += [f"ssl_ca_file={folder}/clients.pem"]
        server = PostgresServer(folder, settings)
        if certificate is not None:
            own.touch(0o600)
            own.write_bytes(certificate.read_bytes())
            os.chown(own, folder.stat().st_uid, -1)
        if clients is not None:
            (folder / "clients.pem").write_bytes(clients.read_bytes())
            (folder / "data" / "pg_hba.conf").write_text(
                "local all all trust\nhostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n"
            )
        os.environ["PGPORT"] = str(port)
        try:
            server.start()
            yield f"postgresql://jikko@127.0.0.1:{port}/postgres?sslmode="
        finally:
            del os.environ["PGPORT"]
            server.stop()


async def encrypts(url: str) -> bool:
    """Whether the connection of a database is encrypted.

    Raises:
        JikkoError: There is none.
    """
    database = Postgres(url)
    try:
        found: bool = await database.value(ENCRYPTED)
        return found
    finally:
        await database.close()


async def test_a_certificate_is_looked_at_as_the_address_says(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path)
    with serving(authority.of_server) as url:
        assert await encrypts(f"{url}require")
        for mode in ("verify-ca", "verify-full"):
            assert await encrypts(f"{url}{mode}&sslrootcert={authority.file}")
            with pytest.raises(StoreUnavailable):
                await encrypts(f"{url}{mode}&sslrootcert={other.file}")
        with pytest.raises(StoreUnavailable):
            await encrypts(f"{url.replace('127.0.0.1', 'localhost')}verify-full&sslrootcert={authority.file}")
        for wrong in (f"verify-full&sslrootcert={tmp_path / 'none.pem'}", "always"):
            with pytest.raises(InvalidSettings):
                await encrypts(f"{url}{wrong}")


async def test_a_server_may_want_a_certificate_of_its_clients(tmp_path: Path) -> None:
    authority, own = Authority(tmp_path), tmp_path / "own.pem"
    own.touch(0o600)
    own.write_bytes(authority.of_server.read_bytes())
    with serving(authority.of_server, authority.file) as url:
        verified = f"{url}verify-full&sslrootcert={authority.file}"
        assert await encrypts(f"{verified}&sslcert={own}&sslkey={own}")
        with pytest.raises(StoreUnavailable):
            await encrypts(verified)


async def test_a_server_that_does_not_encrypt_is_not_used_where_the_address_demands_it() -> None:
    with serving() as url:
        assert not await encrypts(f"{url}prefer")
        with pytest.raises(JikkoError):
            await encrypts(f"{url}require")
