"""What a file at an address is: asked with one request that does not fetch it.

Source: docs/dify-behaviour.md, “Files of a request”.
"""

import posixpath
import re
import uuid
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec.structs import replace

from jikko.errors import InvalidParam
from jikko.ports.files.file_types import extension_for, mime_type_of, stated_type
from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Timeouts

_TIMEOUTS: Final = Timeouts(connect=5.0, read=10.0, write=10.0, total=20.0)
"""A request is being waited for."""

_EXTENDED_NAME: Final = re.compile(r"filename\*\s*=\s*\"?([\w-]*)'[^']*'([^;\"]+)", re.IGNORECASE)
_PLAIN_NAME: Final = re.compile(r"filename\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;]+))", re.IGNORECASE)

_MAX_DIGITS: Final = 18
"""Of a size; a longer one is none."""


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file at an address, as far as it is known without fetching it."""

    filename: str
    extension: str
    """With its dot."""
    mime_type: str
    size: int
    """Bytes; -1 if unknown."""


async def probe(url: str, http: HttpClient, *, app_id: str = "") -> RemoteFile:
    """Find out name, type and size of a remote file. What the server does not tell is guessed from the address.

    Raises:
        InvalidParam: The address cannot or must not be reached; the message says why.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise InvalidParam(f"Invalid file url: {url[:200]!r} does not start with http:// or https://")
    filename = name_in_path(url)
    mime_type = mime_type_of(filename)
    size = -1
    answer = await _headers(url, http, app_id)
    if answer.status in (200, 206):
        named = name_in_disposition(answer.header("content-disposition")) or filename
        if named:
            filename, mime_type = named, mime_type_of(named)
        size = _size(answer)
        mime_type = mime_type or stated_type(answer.header("content-type"))
    filename = filename or f"{uuid.uuid4().hex}{extension_for(mime_type)}"
    extension = extension_for(mime_type, filename)
    return RemoteFile(filename=filename, extension=extension, mime_type=mime_type, size=size)


async def _headers(url: str, http: HttpClient, app_id: str) -> HttpResponse:
    request = OutgoingRequest(method="HEAD", url=url, timeouts=_TIMEOUTS, app_id=app_id)
    try:
        answer = await http.send(request)
        if answer.status in (405, 501):
            # One byte tells as much; a server that sends all of it is cut off by the limit.
            answer = await http.send(replace(request, method="GET", headers=(("Range", "bytes=0-0"),)))
    except HttpFailure as failure:
        if failure.kind == "too_large":
            return HttpResponse(0, (), b"")
        raise InvalidParam(f"The file at {url[:500]} cannot be reached: {failure}") from None
    return answer


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
        except (LookupError, UnicodeError):
            # Python has encodings that refuse to replace what they cannot decode.
            return _base(unquote(extended[2].strip()))
    plain = _PLAIN_NAME.search(header)
    if plain is None:
        return ""
    quoted = plain[1]
    return _base(unquote((re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain[2]).strip()))


def _base(name: str) -> str:
    base = posixpath.basename(name.replace("\\", "/"))
    return base if base.strip() else ""


def _size(answer: HttpResponse) -> int:
    # "bytes 0-0/1234" is the answer to a request for the first byte.
    total = answer.header("content-range").rpartition("/")[2] or answer.header("content-length")
    return int(total) if total.isascii() and total.isdigit() and len(total) <= _MAX_DIGITS else -1
