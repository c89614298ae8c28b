"""HTTP requests as routes read them, and the app of a request's API key."""

import re
import secrets
from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv6Address
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct, field
from starlette.types import Receive, Scope

from jikko.apps.keys import SHARED, digest, key_for
from jikko.assemble.assembly import Assembly
from jikko.concurrency.json_in_pieces import LARGE_BYTES, TooManyElements, decode_json, decode_strictly
from jikko.concurrency.memory_budget import Reservation
from jikko.errors import BadRequest, InvalidParam, JikkoError, PayloadTooLarge, Unauthorized, UnsupportedMediaType
from jikko.http.bodies.reading import UNREADABLE, read_body
from jikko.repositories.app_store import App
from jikko.values import MAX_DEPTH, is_too_deep

if TYPE_CHECKING:
    from jikko.http.app import Front
    from jikko.http.operation import Operation


_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_AUTHORITY: Final = re.compile(r"(?:[\w.~%!$&'()*+,;=-]+|\[([0-9A-Fa-f:.]+)])(?::([0-9]+))?", re.ASCII)
"""Host name or number, or bracketed IPv6 address; and a port. Source: RFC 3986, 3.2.2."""
_COMPRESSIONS: Final = frozenset({"gzip", "x-gzip", "deflate", "compress", "br", "zstd"})
_PORTS: Final = {"http": 80, "https": 443}
_BYTE: Final = re.compile(r"\(byte (\d+)\)")


class Request(Struct, eq=False):
    """An HTTP request to the API."""

    api: Assembly
    """Services of the process."""
    front: "Front"
    """Shared limits and clocks."""
    scope: Scope
    receive: Receive
    path_params: Mapping[str, str]
    """Path parameters, decoded."""
    _ids: Iterator[bytes]
    """IDs for requests without one; see ``request_ids``."""
    operation: "Operation | None" = None
    """``None`` if the API does not have the method and address."""
    reservation: Reservation | None = None
    """Memory reserved for the body, if needed."""
    app: App | None = None
    """App of its key; see ``authenticated``."""
    origin: bytes | None = None
    """Origin of the page that sent the request, if any."""
    id: bytes = b""
    """Request ID in answer and log: the client's, if valid."""
    _headers: Mapping[bytes, bytes] = field(default_factory=dict)
    """First value of each header."""
    _query: dict[str, str] | None = None
    __repr__ = object.__repr__  # its headers hold keys

    def __post_init__(self) -> None:
        given = self.scope["headers"]
        last: dict[bytes, bytes] = dict(given)
        self._headers = last if len(last) == len(given) else dict(reversed(given))
        self.origin, self.id = identified(last, self._ids)

    def header_bytes(self, name: bytes) -> bytes | None:
        """Return the first header of a name (in lower case), if any."""
        return self._headers.get(name)

    def header(self, name: bytes) -> str | None:
        """Like ``header_bytes``, decoded as Latin-1."""
        value = self._headers.get(name)
        return None if value is None else str(value, "latin-1")

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters, the first of each name, like files of a form."""
        if self._query is None:
            given = parse_qsl(str(self.scope["query_string"], "latin-1"), keep_blank_values=True)
            self._query = dict(reversed(given))
        return self._query

    @property
    def base_url(self) -> str:
        """URL by which the client reached the server, with ``root_path``, without a trailing slash."""
        if self.api.settings.public_url:
            return self.api.settings.public_url.rstrip("/")
        scope = self.scope
        return _base_url(scope["scheme"], self.header(b"host"), scope.get("server"), scope.get("root_path", ""))

    @property
    def root_path(self) -> str:
        """Path prefix by which the client reached the server, such as ``/jikko``; usually ``""``."""
        if self.api.settings.public_url:
            return urlsplit(self.api.settings.public_url).path.rstrip("/")
        path: str = self.scope.get("root_path", "")
        return path

    @property
    def room_key(self) -> str:
        """Key of the memory budget for bodies: the app, or the type of API key."""
        if self.app is not None:
            return self.app.id
        return self.operation.key if self.operation is not None else ""

    async def left(self) -> None:
        """Wait until the client disconnects. Call after reading the body."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def decoded(self, body: bytes | bytearray) -> Any:
        """Decode a large body, off the event loop. Raises ``PayloadTooLarge``: too many elements; and as
        ``decode_json``."""
        async with self.front.bodies.decoding.place(self.room_key):
            try:
                return await decode_json(body, most=max(1, self.api.settings.max_elements))
            except TooManyElements as error:
                text = f"The request body has {error} (the limit is set by JIKKO_MAX_ELEMENTS)."
                raise PayloadTooLarge(text) from None

    async def json(self, *, lists_are: type[JikkoError] = BadRequest, largest: int | None = None) -> dict[str, Any]:
        """Read the body as a JSON object.

        Args:
            largest: Limit in bytes; default: ``max_body``.
            lists_are: Error for JSON other than an object.

        Raises:
            UnsupportedMediaType: The content type is not JSON, or the body is compressed.
            BadRequest: Not valid JSON, or not an object.
            InvalidParam: Nested too deeply.
            PayloadTooLarge: Too many elements, or see ``read_body``.
            NoRoom, BodyTooSlow: See ``read_body``.
        """
        if self.header_bytes(b"content-type") != b"application/json" and not _is_json(self.header(b"content-type")):
            raise UnsupportedMediaType(
                "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
            )
        body = await read_body(self, largest)
        try:
            if len(body) <= LARGE_BYTES:
                value = decode_strictly(body)
                # Almost no body has so many brackets.
                if body.count(b"{") + body.count(b"[") > MAX_DEPTH and is_too_deep(value):
                    raise _too_deep()
            else:
                value = await self.decoded(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            coding = self.header(b"content-encoding") or ""
            if coding.lower() in _COMPRESSIONS:
                raise UnsupportedMediaType(
                    f"The Content-Encoding {coding!r} of the body is not supported: send it without."
                ) from None
            raise BadRequest(f"{UNREADABLE} {_json_error(body, error)}") from None
        except RecursionError:
            raise _too_deep() from None
        if not isinstance(value, dict):
            raise lists_are("The request body must be a JSON object.")
        return value


def identified(headers: Mapping[bytes, bytes], ids: Iterator[bytes]) -> tuple[bytes | None, bytes]:
    """Return the origin of the sending page, if any, and the request ID: the client's or the next of ``ids``.
    ``headers``: The last of each name."""
    # Without calls: most requests have neither.
    origin = given = None
    if b"origin" in headers:
        origin = headers[b"origin"]
    if b"x-request-id" in headers:
        given = headers[b"x-request-id"]
    return origin, given if given and _REQUEST_ID.fullmatch(given) else next(ids)


def request_ids() -> Iterator[bytes]:
    """Yield request IDs without end: 16 hexadecimal digits, of which the first 8 identify the process."""
    process = secrets.token_hex(4).encode()
    # No generator: every request would run a frame of it.
    return map((process + b"%08x").__mod__, map((0xFFFFFFFF).__and__, count()))


@lru_cache(maxsize=64)
def _base_url(scheme: str, host: str | None, server: tuple[str, int | None] | None, root_path: str) -> str:
    # Cached: every start of a run needs it, mostly for the same clients.
    path = root_path.rstrip("/").replace("\\", "%5C").replace("?", "%3F").replace("#", "%23")
    if host is not None and _is_authority(host):
        return f"{scheme}://{host}{path}"
    if server is None:
        return path
    name, port = server
    name = f"[{name}]" if ":" in name and name[0] != "[" else name
    return f"{scheme}://{name}{path}" if port == _PORTS.get(scheme) else f"{scheme}://{name}:{port}{path}"


def _is_authority(host: str) -> bool:
    """Return whether a ``Host`` header is a host with an optional port: anything else could redirect links."""
    found = _AUTHORITY.fullmatch(host)
    if found is None:
        return False
    address, port = found[1], (found[2] or "").lstrip("0")
    if len(port) > 5 or int(port or "0") > 65_535:
        return False
    if address is not None:
        try:
            IPv6Address(address)
        except ValueError:
            return False
    return True


def _is_json(content_type: str | None) -> bool:
    media_type = (content_type or "").split(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _json_error(body: bytes | bytearray, error: Exception) -> str:
    """Explain why a body is not JSON, and where, with line and column (in characters) from 1."""
    if not body:
        return "The body is empty."
    line, column = _place(body, error)
    return f"The body is not JSON (line {line}, column {column})."


def _place(body: bytes | bytearray, error: Exception) -> tuple[int, int]:
    found = _BYTE.search(str(error))
    place = int(found[1]) if found else len(body)
    if "trailing" in str(error):
        place = max(0, place - 1)  # reported one character late
    try:
        before = body[:place].decode()
    except UnicodeDecodeError as spoilt:
        before = body[: spoilt.start].decode()
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _too_deep() -> InvalidParam:
    return InvalidParam(f"The request body is nested deeper than {MAX_DEPTH} levels.")


MAX_LISTED_APPS: Final = 20
"""Apps listed in an error."""
_MAX_KEPT_BYTES: Final = 200
"""Longest cached ``Authorization`` header, in bytes: a longer one is not a key of ours."""


def api_key(request: Request) -> bytes:
    """Return the digest of the request's API key, valid or not. Raises ``Unauthorized`` if missing."""
    return _digests_of(request)[0]


def _digests_of(request: Request) -> tuple[bytes, bytes]:
    value = request.header_bytes(b"authorization") or b""
    found = _kept_digests(value) if len(value) <= _MAX_KEPT_BYTES else _digests(value)
    if found is None:
        raise Unauthorized("Authorization header must be provided and start with 'Bearer'")
    return found


async def authenticated(request: Request) -> App:
    """Return the app of the request's key, looked up and counted for the rate limit once a request.
    Raises ``Unauthorized``: missing or unknown key; ``TooManyRequests``: over the key's limit per minute."""
    if request.app is None:
        try:
            request.app = await request.api.app_keys.authenticate(*_digests_of(request))
        except Unauthorized:
            if apps := await request.api.app_keys.opened_by(_sent_key(request)):
                which = ", ".join(app.id for app in apps[:MAX_LISTED_APPS])
                raise Unauthorized(
                    f"The API key opens {len(apps)} apps. Send it as KEY@ID, with the id of one of them ({which}), or "
                    "send the key of one app."
                ) from None
            raise
    return request.app


async def opened(request: Request) -> list[App]:
    """Return the apps of the request's key, one or several. Counts and raises like ``authenticated``."""
    if request.app is not None or not _sent_key(request).startswith(SHARED):
        return [await authenticated(request)]
    return await request.api.app_keys.opened_by(_sent_key(request)) or [await authenticated(request)]


def chosen(request: Request, app: App) -> App:
    """Bind a request to one of its key's apps."""
    if request.app is None:
        request.app = app
        request.api.app_keys.note_use(_sent_key(request), app)
    return app


def _sent_key(request: Request) -> str:
    scheme, _, key = (request.header(b"authorization") or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _digests(authorization: bytes) -> tuple[bytes, bytes] | None:
    """Return the digests of the key and of its rate limit's key, which all parts of a shared key have in common."""
    scheme, _, key = str(authorization, "latin-1").partition(" ")
    key = key.strip()
    if not key or scheme.lower() != "bearer":
        return None
    shared, is_part, app_id = key.partition("@")
    if is_part and key.startswith(SHARED):
        return digest(key_for(shared, app_id.lower())), digest(shared)
    own = digest(key)
    return own, own


# Hashing takes longer than a lookup.
_kept_digests = lru_cache(1_000)(_digests)
