"""Signed urls: a client that has one can fetch one file, for some minutes, without a key."""

import base64
import hashlib
import hmac
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from jikko.errors import InvalidSettings
from jikko.ports.clock import Clock
from jikko.ports.stores.file_index import StoredFile
from jikko.private import make_folder

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSigner:
    """Makes and checks signed urls: ``<base>/files/<id>/file-preview?timestamp=…&nonce=…&sign=…`` for uploads,
    ``<base>/files/tools/<id>.<extension>?…`` for files that nodes made.

    Source: Dify 1.15, spec/variables.md §6 and the recorded cases.
    """

    key: bytes
    base_url: str
    """What clients reach this server under, such as ``https://flows.example``, where nothing else is known."""
    validity: float = 300.0
    """Seconds for which a url can be used."""
    clock: Clock = time.time

    def url(self, file: StoredFile, base_url: str = "") -> str:
        """A fresh url for a file. ``base_url``: what the client at hand reached this server under."""
        return self._url(path_of(file), file.id, base_url)

    def _url(self, path: str, file_id: str, base_url: str) -> str:
        timestamp = str(int(self.clock()))
        nonce = secrets.token_hex(16)
        sign = quote(self._sign(file_id, timestamp, nonce), safe="")
        return f"{(base_url or self.base_url).rstrip('/')}{path}?timestamp={timestamp}&nonce={nonce}&sign={sign}"

    def accepts(self, file_id: str, *, timestamp: str, nonce: str, sign: str) -> bool:
        """Whether the signature is ours and has not expired."""
        if not self._is_ours(file_id, timestamp, nonce, sign):
            return False
        # Ours, so it is a number.
        return self.clock() - int(timestamp) <= self.validity

    def renewed(self, url: str, file_id: str, base_url: str = "") -> str | None:
        """A fresh url in place of one that was made here, however old; ``None`` if it was not.

        A value that only looks like a file of ours is so never signed: it would open any file whose id one knows.
        """
        try:
            parts = urlsplit(url)
            query = parse_qs(parts.query)
            (timestamp,), (nonce,), (sign,) = query["timestamp"], query["nonce"], query["sign"]
        except (KeyError, ValueError):
            return None
        start = parts.path.find("/files/")
        if start < 0 or not self._is_ours(file_id, timestamp, nonce, sign):
            return None
        path = parts.path[start:]
        return self._url(path, file_id, base_url) if file_id in path else None

    def _is_ours(self, file_id: str, timestamp: str, nonce: str, sign: str) -> bool:
        expected = self._sign(file_id, timestamp, nonce)
        return hmac.compare_digest(expected.encode(), sign.encode("utf-8", "replace"))

    def _sign(self, file_id: str, timestamp: str, nonce: str) -> str:
        message = f"file|{file_id}|{timestamp}|{nonce}".encode("utf-8", "replace")
        return base64.urlsafe_b64encode(hmac.digest(self.key, message, hashlib.sha256)).decode("ascii")


def path_of(file: StoredFile) -> str:
    """The path of a file's url."""
    if file.origin == "node":
        return f"/files/tools/{file.id}.{file.extension or 'bin'}"
    return f"/files/{file.id}/file-preview"


def load_or_create_key(path: Path) -> bytes:
    """The key of the installation: made on the first call, and read by no one but the owner of the file. Blocks.

    Raises:
        InvalidSettings: The file cannot be read or written, or does not hold a key.
    """
    try:
        make_folder(path.parent)
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = _create_key(path)
    except OSError as error:
        raise InvalidSettings(
            f"The key for file urls cannot be read or made: {error.strerror}. Check the rights of the data folder."
        ) from error
    if len(key) != _KEY_BYTES:
        raise InvalidSettings(
            f"{path.name} in the data folder does not hold a key of {_KEY_BYTES} bytes. "
            "Remove it: a new one is made, and file urls given out before become invalid."
        )
    return key


def _create_key(path: Path) -> bytes:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: of two processes that start at once, the second must take the key of the first.
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path.read_bytes()
