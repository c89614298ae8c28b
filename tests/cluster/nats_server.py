"""NATS servers of the tests: the real server from PyPI, in a separate folder, on free ports of this machine."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from jikko.server.local_cluster.local_service import LocalService, listens
from jikko.server.local_cluster.services import nats_program
from tests.free_ports import free_port


class NatsServer(LocalService):
    """Server that can be killed, and restarted on the same port with the same or an empty store."""

    title = "NATS"

    def __init__(self, folder: Path, *, port: int, more: Sequence[str] = (), jetstream: bool = True) -> None:
        super().__init__(folder / "log")
        self.folder = folder
        self.port = port
        self._more = [*(["-js", "-sd", str(folder / "store")] if jetstream else []), *more]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str | Path]:
        return [nats_program(), "-a", "127.0.0.1", "-p", str(self.port), *self._more]

    def is_ready(self) -> bool:
        return listens(self.port)

    def begin(self) -> None:
        self.folder.mkdir(exist_ok=True)
        super().begin()

    def lose_store(self) -> None:
        """Delete the store while the server is stopped."""
        shutil.rmtree(self.folder / "store")

    def reload(self) -> None:
        """Make it reload its settings."""
        os.kill(self.pid, signal.SIGHUP)


@contextmanager
def nats_running(*more: str, jetstream: bool = True) -> Iterator[NatsServer]:
    """Run one server."""
    with tempfile.TemporaryDirectory(prefix="jikko-nats-") as folder:
        server = NatsServer(Path(folder) / "nats", port=free_port(), more=more, jetstream=jetstream)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def three_running() -> Iterator[list[NatsServer]]:
    """Run three servers that replicate each other."""
    with tempfile.TemporaryDirectory(prefix="jikko-nats-") as name, ExitStack() as stack:
        folder, ports = Path(name), [free_port() for _ in range(3)]
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
        servers = []
        for number, port in enumerate(ports):
            config = folder / f"{number}.conf"
            config.write_text(
                f"server_name: s{number}\njetstream {{ store_dir: '{folder / f'store{number}'}' }}\n"
                f"cluster {{ name: tests, listen: '127.0.0.1:{port}', routes: [{routes}] }}\n"
            )
            server = NatsServer(folder / f"s{number}", port=free_port(), more=["-c", str(config)], jetstream=False)
            stack.callback(server.kill)
            servers.append(server)
        for server in servers:
            server.start()
        yield servers


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """Permanent server, in which each test has its own cluster."""
    with nats_running() as server:
        yield server
