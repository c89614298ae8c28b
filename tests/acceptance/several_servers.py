"""Servers of one cluster, each with its own data folder: one PostgreSQL, one NATS, one bucket."""

from collections.abc import Mapping
from pathlib import Path

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server

MEMBER_SECONDS = 2.0
"""Seconds after which a test server is considered dead."""
NOBODY_GOES = {"JIKKO_MEMBER_SECONDS": "60"}
"""For tests in which no server dies: one delayed for two seconds by a busy machine must not be considered dead."""
ONLY_THE_DEAD_GO = {"JIKKO_MEMBER_SECONDS": "6"}
"""For tests in which a server dies, and that count takeovers: see ``NOBODY_GOES``."""


class SeveralServers:
    """``jikko serve`` as on several machines."""

    def __init__(self, folder: Path, apps: Mapping[str, str], settings: Mapping[str, str], count: int = 3) -> None:
        self.settings = {"JIKKO_MEMBER_SECONDS": str(MEMBER_SECONDS), "JIKKO_SHUTDOWN_SECONDS": "5", **settings}
        self._folder = folder
        self._homes = 0
        self._clients: list[Client] = []
        self.servers: list[Server] = []
        files = []
        for name, text in apps.items():
            files.append(folder / f"{name}.yml")
            files[-1].write_text(text, encoding="utf-8")
        outcome = Command(folder / "operator")("apps", "import", *files, "--json", **self.settings)
        assert outcome.code == 0, outcome
        self.keys = {name: str(entry["api_key"]) for name, entry in zip(apps, outcome.lines, strict=True)}
        try:
            for _ in range(count):
                self.start()
        except BaseException:
            self.close()
            raise

    def start(self, *options: str, **more: str) -> Server:
        """Start another server."""
        self._homes += 1
        server = Server(self._folder / f"server{self._homes}", settings={**self.settings, **more}, options=options)
        self.servers.append(server)
        return server

    def client(self, app: str, server: Server) -> Client:
        client = Client(server.url, self.keys[app])
        self._clients.append(client)
        return client

    def close(self) -> None:
        while self._clients:
            self._clients.pop().close()
        for server in self.servers:
            server.close()
