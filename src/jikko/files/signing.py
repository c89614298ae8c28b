"""Signed urls: a client that has one can fetch one file, for some minutes, without a key."""

import base64
import hashlib
import hmac
import secrets
import time
from urllib.parse import parse_qs, quote, urlsplit

from msgspec import Struct

from jikko.files.signing_keys import SigningKeys
from jikko.ports.clock import Clock
from jikko.ports.stores.file_index import StoredFile


class UrlSigner(Struct, frozen=True, kw_only=True):
    """Makes and checks signed urls: ``<base>/files/<id>/file-preview?timestamp=…&nonce=…&sign=…`` for uploads,
    ``<base>/files/tools/<id>.<extension>?…`` for files that nodes made.

    Source: docs/dify-behaviour.md, “File values” and the recorded cases.
    """

    keys: SigningKeys
    base_url: str
    """What clients reach this server under, such as ``https://flows.example``, where nothing else is known."""
    validity: float = 300.0
    """Seconds for which a url can be used."""
    clock: Clock = time.time

    def url(self, file: StoredFile, base_url: str = "") -> str:
        """A fresh url for a file. ``base_url``: what the client at hand reached this server under."""
        return self._url(path_of(file), file.id, base_url)

    def document_url(self, file_id: str, base_url: str = "") -> str:
        """A fresh url for what a document of a dataset was made of."""
        return self._url(f"/files/{file_id}/file-preview", file_id, base_url)

    def _url(self, path: str, file_id: str, base_url: str) -> str:
        timestamp = str(int(self.clock()))
        nonce = secrets.token_hex(16)
        sign = quote(_sign(self.keys.newest, file_id, timestamp, nonce), safe="")
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
        given = sign.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(_sign(key, file_id, timestamp, nonce).encode(), given)
            for key in (self.keys.newest, *self.keys.older)
        )


def _sign(key: bytes, file_id: str, timestamp: str, nonce: str) -> str:
    message = f"file|{file_id}|{timestamp}|{nonce}".encode("utf-8", "replace")
    return base64.urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)).decode("ascii")


def path_of(file: StoredFile) -> str:
    """The path of a file's url."""
    if file.origin == "node":
        return f"/files/tools/{file.id}.{quote(file.extension, safe='') or 'bin'}"
    return f"/files/{file.id}/file-preview"
