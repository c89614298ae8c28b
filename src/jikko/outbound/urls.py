"""The URLs that people write, as those that are sent; and what follows from a redirect.

Source for redirects: httpx 0.28, by which Dify 1.15 follows them.
"""

import re
from ipaddress import IPv6Address
from typing import Final, Self
from urllib.parse import SplitResult, quote, unquote, urlencode, urljoin, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.outbound.policy import Address, as_address
from jikko.ports.http import HttpFailure, HttpResponse, Multipart, Pairs

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PATH_SAFE: Final = "!$%&'()*+,/:;=@[]|~\\^"
_QUERY_SAFE: Final = _PATH_SAFE + "?`{}"
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_.])?")


class WireUrl(Struct, frozen=True):
    """A URL, taken apart, checked and escaped."""

    scheme: str
    host: str
    """A name in its ASCII form, or an address in its usual spelling (IPv6 without brackets)."""
    port: int
    target: str
    """Path and query."""
    userinfo: tuple[str, str] | None = None
    """User and password, if the URL has them."""

    @classmethod
    def parse(cls, url: str, params: Pairs = ()) -> Self:
        """Take a URL apart. ``params``: If there are any, they replace the query. Raises ``HttpFailure``, without the
        URL, which may hold secrets: it cannot be used."""
        if any(character < " " or character == "\x7f" for character in url):
            raise _wrong("control_character")
        if any("\ud800" <= character <= "\udfff" for character in url):
            raise _wrong("surrogate")
        try:
            parts = urlsplit(url)
        except ValueError:
            # Not the text of the error: it may hold user and password.
            raise _wrong("malformed_host") from None
        try:
            port = parts.port
        except ValueError:
            raise _wrong("no_port") from None
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS:
            raise _wrong("no_scheme")
        if port == 0:
            raise _wrong("port_zero")
        query = urlencode(params, errors="replace") if params else _escaped(parts.query, _QUERY_SAFE)
        path = _without_dots(_escaped(parts.path or "/", _PATH_SAFE))
        return cls(
            scheme=scheme,
            host=_host(parts),
            port=port or _DEFAULT_PORTS[scheme],
            target=f"{path}?{query}" if query else path,
            userinfo=(unquote(parts.username or ""), unquote(parts.password or ""))
            if parts.username or parts.password
            else None,
        )

    def join(self, location: str) -> "WireUrl":
        """The URL that a ``Location`` header of an answer points at."""
        try:
            absolute = urljoin(str(self), location.strip())
        except ValueError:
            raise _wrong("malformed_host") from None
        return WireUrl.parse(absolute)

    @property
    def address(self) -> Address | None:
        return as_address(self.host)

    @property
    def origin(self) -> tuple[str, str, int]:
        return (self.scheme, self.host, self.port)

    @property
    def authority(self) -> str:
        """Host, and port unless it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """The URL as it is sent. Without user and password."""
        return f"{self.scheme}://{self.authority}{self.target}"


def _host(parts: SplitResult) -> str:
    host = parts.hostname
    if not host:
        raise _wrong("no_host")
    if "\\" in parts.netloc:
        # Programs do not agree on where the host ends then.
        raise _wrong("backslash")
    if not host.isascii():
        host = _ascii(host)
    # After the ASCII form is made: ① and １ are digits, too.
    address = as_address(host)
    if address is not None:
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return str(mapped or address)
    if ":" in host:
        raise _wrong("no_ipv6", host)
    if _HOST.fullmatch(host) is None or ".." in host:
        raise _wrong("no_host_name", host)
    return host


def _ascii(host: str) -> str:
    # Needed for few URLs, and its tables are large.
    import idna

    try:
        return idna.encode(host, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise _wrong("no_idna_name", host, str(error)) from None


def _escaped(text: str, safe: str) -> str:
    """The text with what may not stand in it escaped; what is escaped already stays."""
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe)


def _without_dots(path: str) -> str:
    """The path with ``.`` and ``..`` worked out. Source: RFC 3986 §5.2.4."""
    if "/." not in path:
        return path
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments[1:]:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _wrong(why: str, host: str = "", reason: str = "") -> HttpFailure:
    explained = Phrase(f"url.{why}", {"host": repr(host[:60]), "reason": reason})
    return HttpFailure(Phrase("address.unusable", {"why": explained}), kind="url")


REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_ABOUT_BODY: Final = frozenset({"content-type", "content-encoding", "content-language", "content-location"})


class Hop(Struct, frozen=True):
    """One request of a chain of redirects."""

    method: str
    url: WireUrl
    headers: Pairs
    body: bytes | Multipart | None


def next_hop(hop: Hop, response: HttpResponse, secret_headers: frozenset[str]) -> Hop | None:
    """The request that an answer asks for; ``None`` if it does not redirect. Raises ``HttpFailure``: to no usable URL.

    303 and 302 turn everything but HEAD into GET, 301 only POST; the body is dropped then. Credentials stay with the
    origin that they were meant for. ``secret_headers``: Lower-case names of further headers with credentials.
    """
    location = response.header("location")
    if response.status not in REDIRECTS or not location:
        return None
    try:
        url = hop.url.join(location)
    except HttpFailure as failure:
        raise HttpFailure(f"A redirect leads nowhere. {failure}", kind="redirect") from None
    dropped = {"host"}
    method, body = hop.method, hop.body
    if (response.status in (302, 303) and method != "HEAD") or (response.status == 301 and method == "POST"):
        if method != "GET":
            body = None
            dropped |= _ABOUT_BODY
        method = "GET"
    if url.origin != hop.url.origin:
        dropped |= _CREDENTIALS | secret_headers
        # User and password in a Location are the server's words, not the user's: sent only if they name one.
    elif url.userinfo is None:
        url = replace(url, userinfo=hop.url.userinfo)
    headers = tuple((name, value) for name, value in hop.headers if name.lower() not in dropped)
    return Hop(method, url, headers, body)
