"""What a file at an address is: asked with one request that does not fetch it.

Source: Dify 1.15, spec/service-api.md §6.2.
"""

import posixpath
import re
import uuid
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from jikko.errors import InvalidParam
from jikko.files.types import extension_for, mime_type_of

_EXTENDED_NAME: Final = re.compile(r"filename\*\s*=\s*\"?([\w-]*)'[^']*'([^;\"]+)", re.IGNORECASE)
_PLAIN_NAME: Final = re.compile(r"filename\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;]+))", re.IGNORECASE)


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file at an address, as far as it is known without fetching it."""

    filename: str
    extension: str
    """With its dot."""
    mime_type: str
    size: int
    """Bytes; -1 if unknown."""


class Heads(Protocol):
    """Asks for the headers of what is at an address."""

    async def __call__(self, url: str) -> tuple[int, Mapping[str, str]]:
        """Status and headers, names in lower case, of the answer to HEAD or GET.

        Raises:
            InvalidParam: The address cannot or must not be reached; the message says why.
        """
        ...


async def probe(url: str, heads: Heads) -> RemoteFile:
    """Find out name, type and size of a remote file. What the server does not tell is guessed from the address.

    Raises:
        InvalidParam: The address cannot or must not be reached.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise InvalidParam(f"Invalid file url: {url[:200]!r} does not start with http:// or https://")
    filename = name_in_path(url)
    mime_type = mime_type_of(filename)
    size = -1
    status, headers = await heads(url)
    if status == 200:
        named = name_in_disposition(headers.get("content-disposition", "")) or filename
        if named:
            filename, mime_type = named, mime_type_of(named)
        size = _size(headers.get("content-length"))
        mime_type = mime_type or headers.get("content-type", "").partition(";")[0].strip()
    if not filename:
        filename = uuid.uuid4().hex + (extension_for(mime_type) or ".bin")
        mime_type = mime_type or mime_type_of(filename)
    extension = extension_for(mime_type) or (f".{filename.rpartition('.')[2]}" if "." in filename else ".bin")
    return RemoteFile(filename=filename, extension=extension, mime_type=mime_type, size=size)


def name_in_path(url: str) -> str:
    """The file name at the end of an address; ``""`` if there is none."""
    try:
        path = urlsplit(url).path
    except ValueError:
        raise InvalidParam(f"Invalid file url: {url[:200]!r}") from None
    return _base(unquote(path.rpartition("/")[2]))


def name_in_disposition(header: str) -> str:
    """The file name in a ``Content-Disposition`` header; ``""`` if there is none. Folders are cut off."""
    extended = _EXTENDED_NAME.search(header)
    if extended:
        try:
            return _base(unquote(extended[2].strip(), encoding=extended[1] or "utf-8"))
        except LookupError:
            return _base(unquote(extended[2].strip()))
    plain = _PLAIN_NAME.search(header)
    if plain is None:
        return ""
    quoted = plain[1]
    return _base(unquote((re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain[2]).strip()))


def _base(name: str) -> str:
    base = posixpath.basename(name.replace("\\", "/"))
    return base if base.strip() else ""


def _size(header: str | None) -> int:
    return int(header) if header is not None and header.isascii() and header.isdigit() else -1
