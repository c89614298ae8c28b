"""PgBouncer, the real one."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from jikko.server.local_cluster.local_service import as_plain_user
from tests.effort import PATIENCE
from tests.free_ports import free_port
from tests.store.postgres_server import PostgresServer


@contextmanager
def pooler(server: PostgresServer, mode: str) -> Iterator[str]:
    """Real PgBouncer in front of a new database.

    Args:
        mode: Period for which a client keeps a connection: ``session``, ``transaction`` or ``statement``.
    """
    made = urlsplit(server.made())
    name, port = made.path.strip("/"), free_port()
    with tempfile.TemporaryDirectory(prefix="jikko-pool-") as folder:
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n{name} = host={server.folder} user=jikko\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
            "max_prepared_statements = 100\nignore_startup_parameters = extra_float_digits\n"
        )
        plain = as_plain_user(Path(folder))
        log = (Path(folder) / "log").open("wb")
        with log:
            process = subprocess.Popen(
                ["/usr/sbin/pgbouncer", str(config)], stdout=log, stderr=log, cwd=folder, **plain
            )
        try:
            ready = ["/usr/bin/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
            while subprocess.run(ready, check=False).returncode != 0:
                assert process.poll() is None, (Path(folder) / "log").read_text()
            yield f"postgresql://jikko@127.0.0.1:{port}/{name}"
        finally:
            process.terminate()
            process.wait(PATIENCE)
