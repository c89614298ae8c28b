"""Content-addressed storage in a bucket that speaks S3.

The digest is known only at the end, so content is spooled first, in memory and beyond ``_SPOOL`` in a temporary file,
and then uploaded whole: readers never see a partial object. It is uploaded even if it exists: the object's time says
since when it is wanted, see ``delete``. Parts of an interrupted upload are left to a lifecycle rule of the bucket.
"""

import asyncio
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.extras import how_to_install
from jikko.ports.addresses import diagnose_bucket_url
from jikko.ports.stores.blob_store import Blob, FileMissing, FileTooLarge

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, S3Config


_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_STATUS: Final = re.compile(r"status code: (\d+)")
CREDENTIAL_SOURCES: Final = (
    "keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity, or the machine's role"
)
_OF_CODES: Final[Mapping[str, str]] = {
    "NoSuchBucket": "no such bucket; create it, or correct the name",
    "SignatureDoesNotMatch": "the key that signs is not the one of this user; check AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "it does not know this user; check AWS_ACCESS_KEY_ID",
    "RequestTimeTooSkewed": "the clock of this machine differs from that of the bucket; set up NTP",
    "AuthorizationHeaderMalformed": "its region is another one; correct region=",
    "PermanentRedirect": "it is at another endpoint; correct endpoint= and region=",
}
_HANGS_UP: Final = "the endpoint disconnects before it answers; correct endpoint=, or check the network in between"
_OF_TEXTS: Final = (
    ("169.254.", f"no key was found to sign with; {CREDENTIAL_SOURCES}"),
    ("MissingAccessKeyId", f"AWS_ACCESS_KEY_ID is missing; {CREDENTIAL_SOURCES}"),
    ("MissingSecretAccessKey", f"AWS_SECRET_ACCESS_KEY is missing; {CREDENTIAL_SOURCES}"),
    (
        "UnknownIssuer",
        "the certificate of the endpoint is not trusted; ca= names a PEM file of an authority of one's own",
    ),
    ("InvalidCertificate", "the certificate of the endpoint is not trusted"),
    ("InvalidContentType", "what answers at the endpoint does not encrypt; endpoint= may have to begin with http://"),
    ("lookup address", "the host of the endpoint is not known; correct endpoint="),
    ("ConnectionRefused", "nothing listens at the endpoint; correct endpoint=, or start it"),
    ("TimedOut", "the endpoint does not answer; correct endpoint=, or check the network in between"),
    ("kind: Connect", "the endpoint cannot be reached; correct endpoint="),
    ("kind: Request", _HANGS_UP),
    ("kind: Interrupted", _HANGS_UP),
)
"""By text of the library's error, most specific first."""
_FORBIDDEN: Final = 403
_MISSING: Final = 404


def refusal_reason(error: BaseException | None, act: str) -> str:
    """Explain a failure of a bucket, without addresses and keys.

    Args:
        error: Exception of the library.
        act: What was tried: ``be written to``.
    """
    text = str(error)
    if (code := _CODE.search(text)) and code[1] in _OF_CODES:
        return _OF_CODES[code[1]]
    for hint, reason in _OF_TEXTS:
        if hint in text:
            return reason
    status = int(found[1]) if (found := _STATUS.search(text)) else 0
    if status == _FORBIDDEN:
        return f"it may not {act} by this user; let AWS_ACCESS_KEY_ID read, write, list and remove there"
    if status == _MISSING:
        return _OF_CODES["NoSuchBucket"]
    if status or code:
        return (
            f"what answers at the endpoint says {' '.join(filter(None, [str(status or ''), code[1] if code else '']))}"
        )
    return f"the library says {type(error).__name__}"


FOLDER: Final = "files"
"""Prefix of contents' objects, after the folder of the URL."""
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_SPOOL: Final = 8 << 20
"""Bytes spooled in memory; larger content uses a temporary file and a multipart upload."""
_FORGETS: Final = "an object just written is missing: the endpoint is not object storage"
_CHUNK_BYTES: Final = 256 << 10
"""Minimum bytes read at a time."""
_PAGE: Final = 1000
"""Page size of S3 listings."""
_TRIES: Final = 3
_SECONDS: Final = 10
"""Timeout of one request, and of its retries together."""


_REASONS: Final[Mapping[str, str]] = {
    "PermissionDeniedError": "the bucket refuses the key of the server",
    "UnauthenticatedError": "the bucket does not know the key of the server",
    "PreconditionError": "the bucket has another content there",
    "AlreadyExistsError": "the bucket has a content there already",
    "NotSupportedError": "the bucket does not support this",
}
"""By exception of the library, which has one class for all problems of connections and servers."""


class _Bucket:
    def __init__(self, url: str, setting: str = "files_url") -> None:
        """Opens no connection.

        Args:
            url: ``s3://BUCKET/FOLDER?endpoint=…&region=…&ca=…``; everything but the bucket is optional. ``ca`` is a PEM
                file of authorities trusted besides the system's. Credentials are found as by other S3 clients:
                ``AWS_ACCESS_KEY_ID`` and the like, a web identity, the machine's role.
            setting: Source of the URL, for messages.

        Raises:
            InvalidSettings: Invalid URL, or the library is missing.
        """
        self._store = opened(url, setting)
        self.name = address_of(url)


class BucketBlobs(_Bucket):
    """``BlobStore`` in a bucket: ``<folder>/files/ab/cd/abcd…``. Any number of machines may share it."""

    async def check(self) -> None:
        # A unique name: several servers may check at the same time.
        mark = secrets.token_hex(16)
        path = f"{FOLDER}/.look-{mark}"

        async def read() -> None:
            found = await self._store.get_async(path)
            if bytes(await found.bytes_async()) != mark.encode():
                raise FileMissing(_FORGETS)

        looks: dict[str, Callable[[], Awaitable[object]]] = {
            "be written to": lambda: self._store.put_async(path, mark.encode()),
            "be read": read,
            "be listed": lambda: self.digests(limit=1),
            "be removed from": lambda: self._store.delete_async(path),
        }
        for act, look in looks.items():
            try:
                with library_errors("used"):
                    await look()
            except (StoreUnavailable, FileMissing) as error:
                reason = _FORGETS if isinstance(error, FileMissing) else refusal_reason(error.__cause__, act)
                raise StoreUnavailable(f"The bucket {self.name} of files_url cannot be used: {reason}.") from None

    async def put(self, chunks: AsyncIterator[bytes], *, max_size: int | None = None) -> Blob:
        hasher, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(_SPOOL) as spool:
            async for chunk in chunks:
                size += len(chunk)
                if max_size is not None and size > max_size:
                    raise FileTooLarge(max_size)
                await asyncio.to_thread(_append, spool, hasher, chunk)
            digest, is_long = hasher.hexdigest(), size > _SPOOL
            spool.seek(0)
            content = spool if is_long else spool.read()
            with library_errors("written"):
                await self._store.put_async(content_path(digest), content, use_multipart=is_long)
        return Blob(digest, size)

    async def get(self, digest: str) -> bytes:
        with library_errors("read"):
            found = await self._store.get_async(content_path(digest))
            return bytes(await found.bytes_async())

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        with library_errors("read"):
            found = await self._store.get_async(content_path(digest))
            async for piece in found.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(piece)

    async def digests(self, *, after: str = "", limit: int = 1000) -> list[str]:
        digests: list[str] = []
        pages = self._store.list(
            f"{FOLDER}/", offset=content_path(after) if after else None, chunk_size=min(limit + 1, _PAGE)
        )
        with library_errors("listed"):
            async for page in pages:
                names = (digest_in(entry["path"]) for entry in page)
                # Some servers include the offset itself.
                digests += [name for name in names if name > after]
                if len(digests) >= limit:
                    break
        return sorted(digests)[:limit]

    async def delete(self, digests: Sequence[str], *, before: float) -> None:
        for digest in digests:
            path = content_path(digest)
            try:
                with library_errors("removed"):
                    entry = await self._store.head_async(path)
                    if entry["last_modified"].timestamp() < before:
                        await self._store.delete_async(path)
            except FileMissing:
                continue


def content_path(digest: str) -> str:
    return f"{FOLDER}/{digest[:2]}/{digest[2:4]}/{digest}"


def digest_in(path: str) -> str:
    """Return the digest of an object's content; empty if it is not one."""
    name = path.rpartition("/")[2]
    return name if _DIGEST.fullmatch(name) else ""


def address_of(url: str) -> str:
    """Return bucket and folder of a URL, without options."""
    parts = urlsplit(url)
    return f"s3://{parts.netloc}{parts.path.rstrip('/')}"


def opened(url: str, setting: str = "files_url") -> "ObjectStore":
    """Return a client for a bucket's URL. Opens no connection. ``setting``: Source of the URL, for messages. Raises
    ``InvalidSettings``: invalid URL, or the library is missing."""
    if wrong := diagnose_bucket_url(url):
        raise InvalidSettings(f"{setting} {wrong}.")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        # The library would sign with it, with obscure errors from servers.
        if os.environ.get(name) == "":
            raise InvalidSettings(f"{setting} cannot be used: {name} is empty; {CREDENTIAL_SOURCES}.")
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ModuleNotFoundError:
        raise InvalidSettings(f"A bucket needs another library: {how_to_install('cluster')}") from None
    # Plain HTTP only if the operator wrote it.
    client: ClientConfig = {"timeout": f"{_SECONDS}s", "allow_http": True}
    # The library refuses None for what is not given.
    config: S3Config = {}
    if "endpoint" in options:
        config["endpoint"] = options["endpoint"]
    if "region" in options:
        config["region"] = options["region"]
    try:
        if "ca" in options:
            client["root_certificate"] = Path(options["ca"]).read_bytes()
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config=config,
            client_options=client,
            retry_config={"max_retries": _TRIES - 1, "retry_timeout": timedelta(seconds=_SECONDS)},
        )
    except OSError as error:
        raise InvalidSettings(f"{setting}: ca={options['ca']} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InvalidSettings(f"{setting}: ca={options.get('ca')} has no certificates; expected a PEM file.") from None
    except BaseError as error:
        raise InvalidSettings(f"{setting} cannot be used: {refusal_reason(error, 'be used')}.") from None


def _append(spool: IO[bytes], hasher: "hashlib._Hash", chunk: bytes) -> None:
    hasher.update(chunk)
    spool.write(chunk)


@contextmanager
def library_errors(what: str, which: str = "A stored file") -> Iterator[None]:
    """Convert the library's errors to those of the port.

    Args:
        what: The operation.
        which: Its object. Both are in the message, which goes to clients.

    Raises:
        FileMissing: No such object.
        StoreUnavailable: Any other error.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise StoreUnavailable(f"{which} cannot be {what}: no such bucket.") from error
        raise FileMissing("The content of the file is missing.") from None
    except (BaseError, OSError) as error:
        # The library's text contains addresses and names; the message goes to clients.
        why = _REASONS.get(type(error).__name__, "the bucket cannot be reached, or fails")
        raise StoreUnavailable(f"{which} cannot be {what}: {why}.") from error


class BucketContents(_Bucket):
    """``Contents`` of ``BucketBlobs``. All methods block."""

    def digests(self) -> Iterator[str]:
        with library_errors("listed", f"What is in {self.name}"):
            for page in self._store.list(f"{FOLDER}/", chunk_size=_PAGE):
                for entry in page:
                    if digest := digest_in(entry["path"]):
                        yield digest

    def pieces(self, digest: str, size: int) -> Iterator[bytes]:
        gathered = bytearray()
        with library_errors("read", f"The content {digest} in {self.name}"):
            for piece in self._store.get(content_path(digest)).stream(min_chunk_size=size):
                gathered += bytes(piece)
                while len(gathered) >= size:
                    yield bytes(gathered[:size])
                    del gathered[:size]
        if gathered:
            yield bytes(gathered)


class BucketObjects(_Bucket):
    """``ObjectStore`` in a bucket that speaks S3."""

    def put(self, path: str, content: bytes) -> None:
        with library_errors("written", self._what(path)):
            self._store.put(path, content, use_multipart=False)

    def get(self, path: str) -> bytes:
        with library_errors("read", self._what(path)):
            return bytes(self._store.get(path).bytes())

    def listed(self, folder: str) -> dict[str, tuple[int, float]]:
        found: dict[str, tuple[int, float]] = {}
        with library_errors("listed", self._what(folder)):
            for page in self._store.list(f"{folder}/", chunk_size=_PAGE):
                for entry in page:
                    found[entry["path"]] = (entry["size"], entry["last_modified"].timestamp())
        return found

    def delete(self, path: str) -> None:
        with suppress(FileMissing), library_errors("removed", self._what(path)):
            self._store.delete(path)

    def _what(self, path: str) -> str:
        return f"{path} in {self.name}"
