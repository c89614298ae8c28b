"""One server of the cluster: ``jikko serve`` with a data folder of its own."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from jikko.server.local_cluster.service import LocalService


class LocalServer(LocalService):
    """One server."""

    def __init__(self, number: int, home: Path, port: int, settings: Mapping[str, str]) -> None:
        """Args:
        settings: The whole environment, but for its data folder.
        """
        self.title = f"Server {number}"
        self._port = port
        super().__init__(home.with_suffix(".log"), env={**settings, "JIKKO_HOME": str(home)})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def command(self) -> Sequence[str]:
        """Program and arguments."""
        return [sys.executable, "-m", "jikko", "serve", "--host", "127.0.0.1", "--port", str(self._port)]

    def is_ready(self) -> bool:
        """Whether it may be sent requests."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
