"""Server with several worker processes, each of which can be addressed."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.effort import PATIENCE


class SeveralWorkers:
    """``jikko serve --workers 2`` with apps."""

    def __init__(self, folder: Path, apps: dict[str, str], **settings: str) -> None:
        self.home = folder / "home"
        self.keys = Command(self.home).imported(folder, apps)
        self._settings = {"JIKKO_WORKERS": "2", **settings}
        self._clients: list[ClientOfOneProcess] = []
        self.server = Server(self.home, settings=self._settings)

    def restart(self) -> None:
        """Restart the server after its end."""
        self.server = Server(self.home, settings=self._settings)

    def client(self, app: str, process: Callable[[int], bool] = lambda pid: True) -> "ClientOfOneProcess":
        """Return a client of a matching process."""
        bound = time.monotonic() + PATIENCE
        while True:
            client = ClientOfOneProcess(self.server.url, self.keys[app])
            if process(client.process):
                self._clients.append(client)
                return client
            client.close()
            assert time.monotonic() < bound, "no process of that kind answers"

    def pair(self, app: str) -> tuple["ClientOfOneProcess", "ClientOfOneProcess"]:
        """Return clients of two different processes."""
        one = self.client(app)
        return one, self.client(app, lambda pid: pid != one.process)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.server.close()


class ClientOfOneProcess(Client):
    """Client that sends all requests to one process, one at a time.

    Either side closes a connection that is idle for some seconds, and a new one may reach any process: before each
    request the process is checked.
    """

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key, connections=1)
        self.process = process_of(self)
        """Its process id."""
        self._http.event_hooks = {"request": [self._reach]}

    def _reach(self, request: httpx.Request) -> None:
        if request.url.path == "/health":
            return
        bound = time.monotonic() + PATIENCE
        while process_of(self) != self.process:
            assert time.monotonic() < bound, f"process {self.process} does not answer"
            self.get("/health", headers={"Connection": "close"})


def process_of(client: Client) -> int:
    """Return the process id of the worker behind a client's connection."""
    number: int = client.get("/health")["process"]
    return number
