"""File upload and download. Source: docs/dify-behaviour.md, “File uploads”, “Files of a request”."""

import posixpath
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from msgspec import Struct

from jikko.errors import InvalidParam, NotFound, PayloadTooLarge, StoreUnavailable, UnsupportedMediaType, UploadRefused
from jikko.events import Event
from jikko.ids import is_uuid
from jikko.ports.files.file_store import FileStore
from jikko.ports.files.file_types import UNKNOWN, detect_type, extension_of, is_text, mime_type_of
from jikko.ports.stores.blob_store import FileMissing, FileTooLarge
from jikko.ports.stores.file_index import StoredFile
from jikko.values import Json, Seconds, Uuid, encode_json

WORKSPACE_ID: Final = "6a696b6b-6f00-4000-8000-000000000001"
"""``tenant_id`` of every answer: an installation is one workspace."""

_MAX_NAME: Final = 200
"""Maximum characters of a name without its extension."""
_CHUNK_BYTES: Final = 256 * 1024

_MEBIBYTE: Final = 1024 * 1024

_SHOWN_TEXTS: Final = frozenset(
    {"text/plain", "text/csv", "text/tab-separated-values", "text/markdown", "text/vtt", "application/json"}
)
_PROGRAMS: Final = frozenset(
    {"application/wasm", "application/x-shockwave-flash", "application/java-archive", "image/svg+xml"}
)
"""Non-text types that a browser may execute."""


class FileLimits(Struct, frozen=True, kw_only=True):
    """Size limits of uploads. The defaults are Dify's. Source: docs/dify-behaviour.md, “File uploads”."""

    max_image: int = 10 * _MEBIBYTE
    """Bytes, as the next three."""
    max_video: int = 100 * _MEBIBYTE
    max_audio: int = 50 * _MEBIBYTE
    max_other: int = 15 * _MEBIBYTE
    blocked_extensions: frozenset[str] = frozenset()
    """Blocked extensions: lower case, without the dot."""

    @property
    def largest(self) -> int:
        """Maximum bytes of any upload."""
        return max(self.max_image, self.max_video, self.max_audio, self.max_other)

    def for_upload(self, extension: str) -> int:
        match detect_type(extension, ""):
            case "image":
                return self.max_image
            case "video":
                return self.max_video
            case "audio":
                return self.max_audio
            case _:
                return self.max_other


class UploadedPart(Protocol):
    """File of a multipart body, such as Starlette's ``UploadFile``."""

    @property
    def filename(self) -> str | None: ...
    @property
    def content_type(self) -> str | None: ...

    async def read(self, size: int = -1) -> bytes:
        """Read the next bytes, at most ``size``; ``b""`` at the end."""


Part = TypeVar("Part", bound=UploadedPart)


class Download(Struct, frozen=True):
    """A file being sent to a client."""

    headers: Mapping[str, str]
    """Include ``Content-Type`` and ``Content-Length``."""
    chunks: AsyncIterator[bytes]


class File(Struct, kw_only=True):
    """A file, as its upload is answered."""

    # Source: docs/dify-behaviour.md, “File uploads”.
    id: Uuid
    reference: None = None
    name: str
    size: int
    """Bytes."""
    extension: str
    mime_type: str
    created_by: Uuid
    created_at: Seconds
    preview_url: None = None
    source_url: str
    original_url: None = None
    user_id: None = None
    tenant_id: Uuid = WORKSPACE_ID
    conversation_id: None = None
    file_key: None = None


class FileService(Struct, eq=False):
    store: FileStore
    limits: FileLimits

    async def upload(self, parts: Sequence[tuple[str, UploadedPart]], *, app_id: str, end_user_id: str) -> StoredFile:
        """Store the file of a multipart body.

        Args:
            parts: Files of the body by field name, in order; the first of equal names counts.

        Raises:
            UploadRefused: ``no_file_uploaded``, ``too_many_files``, ``filename_not_exists_error`` or
                ``file_extension_blocked``.
            UnsupportedMediaType: ``unsupported_file_type``: the part has no content type.
            InvalidParam: The name has slashes.
            PayloadTooLarge: ``file_too_large``.
            StoreUnavailable: It cannot be written.
        """
        part = the_file(parts)
        if not part.content_type:
            raise UnsupportedMediaType("File type not allowed.", code="unsupported_file_type")
        name = checked_name(part.filename or "")
        extension = extension_of(name)
        if extension and extension in self.limits.blocked_extensions:
            raise UploadRefused(
                f"File extension '.{extension}' is not allowed for security reasons", code="file_extension_blocked"
            )
        try:
            return await self.store.save(
                _pieces(part),
                app_id=app_id,
                end_user_id=end_user_id,
                name=shortened(name),
                mime_type=part.content_type.partition(";")[0].strip().lower()[:255],
                max_size=self.limits.for_upload(extension),
            )
        except FileTooLarge:
            # Dify's message is empty. Source: docs/dify-behaviour.md, “File uploads”.
            raise PayloadTooLarge("", code="file_too_large") from None

    def described(self, file: StoredFile, *, base_url: str = "") -> File:
        """Return the answer to an upload."""
        return File(
            id=file.id,
            name=file.name,
            size=file.size,
            extension=file.extension,
            mime_type=file.mime_type,
            created_by=file.end_user_id,
            created_at=int(file.created_at),
            source_url=self.store.url(file, base_url=base_url),
        )

    def fresh(self, value: Json, *, base_url: str = "") -> Json:
        return self.store.renewed(value, base_url=base_url)

    def fresh_text(self, text: str, *, base_url: str = "") -> str:
        return self.store.renewed_text(text, base_url=base_url)

    async def download(self, file_id: str, query: Mapping[str, str]) -> Download:
        """Open a file by its signed URL, without a key.

        Args:
            file_id: From the path; for ``/files/tools/`` without its extension.
            query: ``timestamp``, ``nonce``, ``sign``, and ``as_attachment``.

        Raises:
            InvalidParam: The URL is incomplete.
            NotFound: The signature is invalid or expired, or the file is gone; the error does not tell which.
        """
        timestamp, nonce, sign = (query.get(name, "") for name in ("timestamp", "nonce", "sign"))
        if not timestamp or not nonce or not sign:
            raise InvalidParam("Invalid request.")
        signed = self.store.signed
        file = await signed(file_id, timestamp=timestamp, nonce=nonce, sign=sign) if is_uuid(file_id) else None
        if file is None:
            raise NotFound("File not found or signature is invalid")
        as_attachment = query.get("as_attachment", "").lower() in ("true", "1")
        headers = {**_headers(file, as_attachment=as_attachment), "Cache-Control": "private, no-store"}
        return Download(headers, await self._begun(file))

    async def preview(self, file_id: str, *, as_attachment: bool) -> Download:
        """Open a file of a conversation. Raises ``NotFound`` if it is gone."""
        file = await self.store.any_file(file_id)
        if file is None:
            raise NotFound("File not found in message context", code="file_not_found")
        headers = {**_headers(file, as_attachment=as_attachment), "Cache-Control": "private, max-age=3600"}
        return Download(headers, await self._begun(file))

    async def _begun(self, file: StoredFile) -> AsyncIterator[bytes]:
        """Open the content, so that a missing one is noticed before the answer begins."""
        chunks = self.store.stream(file)
        try:
            first = await anext(chunks, b"")
        except FileMissing:
            raise NotFound("File not found or signature is invalid") from None
        return _whole(first, chunks, file.size)


async def _whole(piece: bytes, rest: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    missing = size
    while piece:
        missing -= len(piece)
        yield piece
        piece = await anext(rest, b"")
    if missing:
        raise StoreUnavailable(f"A stored file is damaged: {missing} of its {size} bytes are missing.")


async def _pieces(part: UploadedPart) -> AsyncIterator[bytes]:
    while piece := await part.read(_CHUNK_BYTES):
        yield piece


def the_file(parts: Sequence[tuple[str, Part]]) -> Part:
    """Return the first part named ``file``. Raises ``UploadRefused``: there is none, or one of another name."""
    first = next((part for field, part in parts if field == "file"), None)
    if first is None:
        raise UploadRefused("Please upload your file.", code="no_file_uploaded")
    if len({field for field, _ in parts}) > 1:
        raise UploadRefused("Only one file is allowed.", code="too_many_files")
    return first


def shortened(name: str) -> str:
    """Truncate a name of more than 200 characters to 200 before its extension. Source: docs/dify-behaviour.md, “File
    uploads”."""
    if len(name) <= _MAX_NAME:
        return name
    stem, extension = posixpath.splitext(name)
    # Hundreds of characters are not an extension.
    return stem[:_MAX_NAME] + extension if len(extension) <= 32 else name[:_MAX_NAME]


def checked_name(given: str) -> str:
    """Clean the name of an uploaded file. Raises ``UploadRefused``: it is missing; ``InvalidParam``: it has slashes."""
    # Lone surrogates have no UTF-8, and NUL truncates names in many places.
    name = given.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    if not name:
        raise UploadRefused("The specified filename does not exist.", code="filename_not_exists_error")
    if "/" in name or "\\" in name:
        raise InvalidParam("Filename contains invalid characters")
    return name


def _headers(file: StoredFile, *, as_attachment: bool) -> dict[str, str]:
    saved = as_attachment or not _is_passive(file)
    headers = {
        "Content-Type": UNKNOWN if saved else _header_type(file.mime_type),
        "Content-Length": str(file.size),
        # Untrusted content must not act with the rights of this server's pages.
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    if saved:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    return headers


def _is_passive(file: StoredFile) -> bool:
    """Return whether a browser executes nothing in a file, by type and name. All other files are downloads only."""
    types = filter(None, (file.mime_type, mime_type_of(file.name)))
    return all(kind in _SHOWN_TEXTS or (is_text(kind) is False and kind not in _PROGRAMS) for kind in types)


def _header_type(mime_type: str) -> str:
    plain = mime_type.isascii() and mime_type.isprintable() and "/" in mime_type
    return mime_type if plain else UNKNOWN


_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def possible_file_ids(events: Sequence[Event]) -> set[str]:
    """Return all possible file ids: in file mappings, and in texts and URLs.

    Takes some milliseconds per megabyte.
    """
    return {match.decode() for match in _UUID.findall(encode_json(events).lower())}
