"""A server of several processes, each of which can be spoken to."""

from collections.abc import Callable
from pathlib import Path

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server


class SeveralWorkers:
    """``jikko serve --workers 2`` with apps."""

    def __init__(self, folder: Path, apps: dict[str, str], **settings: str) -> None:
        self.home = folder / "home"
        files = []
        for name, text in apps.items():
            files.append(folder / f"{name}.yml")
            files[-1].write_text(text, encoding="utf-8")
        entries = Command(self.home).json("apps", "import", *files)
        self.keys = {name: entry["api_key"] for name, entry in zip(apps, entries, strict=True)}
        self._settings = {"JIKKO_WORKERS": "2", **settings}
        self._clients: list[Client] = []
        self.server = Server(self.home, settings=self._settings)

    def restart(self) -> None:
        """Start again after the end of the server."""
        self.server = Server(self.home, settings=self._settings)

    def client(self, app: str, process: Callable[[int], bool] = lambda pid: True) -> Client:
        """A client whose connection leads to a process of that kind; see ``process_of``."""
        while True:
            client = Client(self.server.url, self.keys[app], connections=1)
            self._clients.append(client)
            if process(process_of(client)):
                return client

    def pair(self, app: str) -> tuple[Client, Client]:
        """Clients of two different processes."""
        one = self.client(app)
        first = process_of(one)
        return one, self.client(app, lambda pid: pid != first)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.server.close()


def process_of(client: Client) -> int:
    """The process id of the worker that a client's connection leads to."""
    number: int = client.get("/health")["process"]
    return number
