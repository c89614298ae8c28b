"""Signing keys of links to files: the newest signs, older ones are accepted until removed."""

import base64
import hashlib
import hmac
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from msgspec import Struct

from jikko.errors import InvalidSettings
from jikko.ports.clock import Clock
from jikko.ports.stores.file_index import StoredFile
from jikko.private import make_folder, make_whole_file

_KEY_BYTES: Final = 32


class SigningKeys:
    """Current keys of an installation."""

    def __init__(self, newest: bytes, *older: bytes) -> None:
        self.newest = newest
        self.older: tuple[bytes, ...] = older

    def become(self, other: "SigningKeys") -> None:
        """Replace the keys in place, for all holders of this object."""
        self.newest, self.older = other.newest, other.older


class KeyFiles:
    """``signing.key``, which signs, and beside it ``signing.key.<time>`` for each that is only accepted. Blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load_or_create(self) -> SigningKeys:
        """Load the keys; the first call creates one, readable by its owner only. Raises ``InvalidSettings``: a file
        cannot be read or written, or does not hold a key."""
        try:
            make_folder(self._path.parent)
            try:
                newest = self._path.read_bytes()
            except FileNotFoundError:
                newest = make_whole_file(self._path, secrets.token_bytes(_KEY_BYTES))
            older = [path.read_bytes() for path in self.older()]
        except OSError as error:
            raise InvalidSettings(
                f"The key for file urls cannot be read or made: {error.strerror}. Check the rights of the data folder."
            ) from error
        for path, key in zip((self._path, *self.older()), (newest, *older), strict=False):
            if len(key) != _KEY_BYTES:
                raise InvalidSettings(
                    f"{path.name} in the data folder does not hold a key of {_KEY_BYTES} bytes. "
                    "Remove it: a new one is made, and file urls given out before become invalid."
                )
        return SigningKeys(newest, *older)

    def existing(self) -> list[bytes]:
        """Load existing keys, newest first. Raises ``InvalidSettings``: see ``load_or_create``."""
        if not self._path.exists():
            return []
        keys = self.load_or_create()
        return [keys.newest, *keys.older]

    def older(self) -> list[Path]:
        """Return the files of keys that are only accepted, oldest first."""
        found = self._path.parent.glob(f"{self._path.name}.*")
        return sorted(path for path in found if path.suffix.removeprefix(".").isdecimal())

    def add(self) -> Path:
        """Create a key that is accepted, but does not sign yet. Returns its file. Raises ``OSError``."""
        # In steps of two: `make_newest` needs the number between.
        number = max(int(time.time()), *(int(path.suffix[1:]) + 2 for path in self.older()), 0)
        path = self._path.with_name(f"{self._path.name}.{number}")
        make_whole_file(path, secrets.token_bytes(_KEY_BYTES))
        return path

    def make_newest(self, path: Path) -> None:
        """Make a key sign from now on; the former one is only accepted. Raises ``OSError`` if it cannot be written;
        then the former one still signs."""
        # Three steps, each of which keeps all keys: two names for one key do no harm.
        former = self._path.with_name(f"{self._path.name}.{int(path.suffix[1:]) + 1}")
        with suppress(FileNotFoundError):
            os.link(self._path, former)
        part = self._path.with_name(f"{self._path.name}.part")
        part.unlink(missing_ok=True)
        os.link(path, part)
        os.replace(part, self._path)
        path.unlink()

    def remove_older(self) -> int:
        """Remove all keys but the newest. Returns how many. Raises ``OSError`` if one cannot be removed."""
        older = self.older()
        for path in older:
            path.unlink(missing_ok=True)
        return len(older)


class UrlSigner(Struct, frozen=True, kw_only=True):
    """Signs and verifies URLs: ``<base>/files/<id>/file-preview?timestamp=…&nonce=…&sign=…`` for uploads,
    ``<base>/files/tools/<id>.<extension>?…`` for files made by nodes.

    Source: docs/dify-behaviour.md, “File values” and the recorded cases.
    """

    keys: SigningKeys
    base_url: str
    """Default base URL, such as ``https://flows.example``, if a request's is unknown."""
    validity: float = 300.0
    """Lifetime of a URL, in seconds."""
    clock: Clock = time.time

    def url(self, file: StoredFile, base_url: str = "") -> str:
        """Return a fresh URL for a file. ``base_url``: By which the client reached this server."""
        return self._url(path_of(file), file.id, base_url)

    def document_url(self, file_id: str, base_url: str = "") -> str:
        """Return a fresh URL for the source file of a dataset's document."""
        return self._url(f"/files/{file_id}/file-preview", file_id, base_url)

    def _url(self, path: str, file_id: str, base_url: str) -> str:
        timestamp = str(int(self.clock()))
        nonce = secrets.token_hex(16)
        sign = quote(_sign(self.keys.newest, file_id, timestamp, nonce), safe="")
        return f"{(base_url or self.base_url).rstrip('/')}{path}?timestamp={timestamp}&nonce={nonce}&sign={sign}"

    def accepts(self, file_id: str, *, timestamp: str, nonce: str, sign: str) -> bool:
        """Return whether the signature is valid and has not expired."""
        if not self._is_ours(file_id, timestamp, nonce, sign):
            return False
        # Signed, so it is a number.
        return self.clock() - int(timestamp) <= self.validity

    def renewed(self, url: str, file_id: str, base_url: str = "") -> str | None:
        """Return a fresh URL for one signed here, however old; ``None`` for others.

        So a value that only looks like such a URL is never signed: it would open any file whose id is known.
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
        given = sign.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(_sign(key, file_id, timestamp, nonce).encode(), given)
            for key in (self.keys.newest, *self.keys.older)
        )


def _sign(key: bytes, file_id: str, timestamp: str, nonce: str) -> str:
    message = f"file|{file_id}|{timestamp}|{nonce}".encode("utf-8", "replace")
    return base64.urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)).decode("ascii")


def path_of(file: StoredFile) -> str:
    """Return the path of a file's URL."""
    if file.origin == "node":
        return f"/files/tools/{file.id}.{quote(file.extension, safe='') or 'bin'}"
    return f"/files/{file.id}/file-preview"
