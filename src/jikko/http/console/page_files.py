"""Built page of the console: all files are read once, and looked up by name."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from msgspec import Struct

from jikko.console.console_service import Console
from jikko.errors import NotFound
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse
from jikko.ports.files.file_types import UNKNOWN, mime_type_of

INDEX: Final = "index.html"
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
"""Best first: the name in ``Accept-Encoding``, and the file extension."""
_HASHED: Final = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.\w+$")
"""File name ending with a content hash: such a file never changes."""
_IMMUTABLE: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_NO_CACHE: Final = (b"cache-control", b"no-cache")
_VARY: Final = (b"vary", b"accept-encoding")
_HTML: Final = b"text/html; charset=utf-8"
_TEXTS: Final = ("text/", "application/json", "application/manifest+json", "image/svg+xml")
_MISSING: Final = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Jikko: no console</title>
<meta name="viewport" content="width=device-width">
<h1>This installation has no console</h1>
<p>The API is served, and so is the console's; only its page was not built.</p>
<p>A wheel of Jikko (<code>make wheel</code>) has it. In a clone of the repository <code>make run</code> builds it,
which needs the network once. Then start the server again.</p>
<p><a href="../docs">The API</a></p>
</html>
"""


class PageFile(Struct, frozen=True):
    media_type: bytes
    tag: bytes
    bodies: Mapping[str, bytes]
    """Contents by encoding; ``""`` for uncompressed."""
    is_hashed: bool


class PageFiles:
    """Files of the page."""

    def __init__(self, folder: Traversable | None = None) -> None:
        """Read the files. ``folder``: Folder of the build; default: in the package."""
        root = folder or files("jikko.http") / "static"
        contents = dict(_contents(root, "")) if root.is_dir() else {}
        # Large files exist in compressed form only.
        unpacked = {name[:-3]: gzip.decompress(body) for name, body in contents.items() if name.endswith(".gz")}
        contents = unpacked | contents
        self._files = {
            name: _file(name, contents) for name in contents if not name.endswith(tuple(end for _, end in _ENCODINGS))
        }

    async def serve(self, request: Request, console: Console) -> SendableResponse:
        """Serve a file; for other addresses the index page, which routes them itself."""
        name = request.path_params.get("*path", "")
        if name.startswith("api/") or name == "api":
            raise NotFound("Unknown address of the console's API: see /console/openapi.json.")
        found = self._files.get(name)
        if found is None and "." in name.rpartition("/")[2]:
            raise NotFound("The console has no such file.")
        found = found if found and name != INDEX else self._index(name.count("/"))
        if found is None:
            missing = Response(_MISSING, 503, media_type=_HTML)
            missing.headers.append((b"cache-control", b"no-store"))
            return missing
        return _answer(request, found)

    def _index(self, depth: int) -> PageFile | None:
        """Return the index page for an address ``depth`` folders below the console.

        Its links are relative, so that it works below any path of a proxy.
        """
        first = self._files.get(INDEX)
        if first is None or depth == 0:
            return first
        body = first.bodies[""].replace(b'"./', b'"' + b"../" * depth)
        return PageFile(first.media_type, _tag(body), {"": body}, is_hashed=False)


def _answer(request: Request, file: PageFile) -> SendableResponse:
    caching = _IMMUTABLE if file.is_hashed else _NO_CACHE
    tags = request.header_bytes(b"if-none-match") or b""
    if file.tag in [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]:
        unchanged = Response(b"", 304)
        unchanged.headers[:] = [(b"etag", file.tag), caching, _VARY]
        return unchanged
    accepted = _accepted(request.header(b"accept-encoding") or "")
    encoding = next((name for name, _ in _ENCODINGS if name in accepted and name in file.bodies), "")
    answer = Response(file.bodies[encoding], media_type=file.media_type)
    answer.headers += [(b"etag", file.tag), caching, _VARY]
    if encoding:
        answer.headers.append((b"content-encoding", encoding.encode()))
    return answer


def _accepted(header: str) -> set[str]:
    found = set()
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            found.add(name.strip())
    return found


def _contents(folder: Traversable, prefix: str) -> "list[tuple[str, bytes]]":
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _contents(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _file(name: str, contents: Mapping[str, bytes]) -> PageFile:
    body = contents[name]
    bodies = {"": body} | {
        encoding: contents[name + ending] for encoding, ending in _ENCODINGS if name + ending in contents
    }
    media_type = mime_type_of(name) or UNKNOWN
    charset = "; charset=utf-8" if media_type.startswith(_TEXTS) else ""
    return PageFile(f"{media_type}{charset}".encode(), _tag(body), bodies, _HASHED.search(name) is not None)


def _tag(body: bytes) -> bytes:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
