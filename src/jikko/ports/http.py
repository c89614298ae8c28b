"""Outgoing HTTP requests and TCP connections."""

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Phrase

FailureKind: TypeAlias = Literal[
    "url", "body", "request", "address", "connect", "timeout", "redirect", "protocol", "too_large"
]
"""``url``, ``body``: unusable. ``request``: another part of the request cannot be sent. ``address``: refused by the
address policy. ``connect``: unknown host, no connection, or an untrusted certificate. ``protocol``: the response is
not complete HTTP."""

FAILED: Final[Mapping[FailureKind, str]] = {
    "url": "its URL cannot be used",
    "body": "its body cannot be sent",
    "request": "one of its headers cannot be sent",
    "address": "the address may not be reached",
    "connect": "there is no such host, no connection, or no trust in its certificate",
    "timeout": "it took too long",
    "redirect": "it was redirected too often, or to nowhere",
    "protocol": "what came back is not a complete answer",
    "too_large": "the answer is too large",
}
"""Error texts for failures whose own text may contain a secret, such as hosts and headers."""

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values in order; a name may repeat."""

HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
MAX_REDIRECTS: Final = 20


class HttpFailure(Exception):
    """A request has no usable response. The message is for the user and contains no secret."""

    def __init__(self, message: str | Phrase, *, kind: FailureKind) -> None:
        """``message``: A sentence, or the phrase to build it from."""
        self.kind = kind
        self.phrase = message if isinstance(message, Phrase) else None
        super().__init__(f"{message.text()}." if isinstance(message, Phrase) else message)


class FormFile(Struct, frozen=True):
    name: str
    filename: str
    """``""`` to send none."""
    content: bytes
    content_type: str


class Multipart(Struct, frozen=True):
    """``multipart/form-data`` body: fields, then files. The caller sets the Content-Type header."""

    boundary: str
    fields: Pairs
    files: tuple[FormFile, ...]


class Timeouts(Struct, frozen=True, kw_only=True):
    """Timeouts of a request in seconds."""

    connect: float = 10.0
    """Name resolution, connection and TLS handshake."""
    read: float = 600.0
    """Server silence, before and within the response."""
    write: float = 600.0
    """Until the server accepts the next chunk of the body."""
    total: float = 1200.0
    """The whole request with redirects, without time in the queue."""


class OutgoingRequest(Struct, frozen=True, kw_only=True):
    method: str
    url: str
    """Starts with ``http://`` or ``https://``. Invalid URL characters are escaped."""
    headers: Pairs = ()
    """ASCII only. Framing headers (Content-Length, Transfer-Encoding, …) are left out."""
    params: Pairs = ()
    """Replace the query of ``url``, if any are given."""
    body: bytes | Multipart | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    ssl_verify: bool | None = None
    """Verify the server's certificate; ``None`` uses the client's setting."""
    max_bytes: int = 10_485_760
    """Maximum size of the response body, decompressed."""
    secret_headers: frozenset[str] = frozenset()
    """Names, in lower case, of headers dropped when a redirect leaves the origin, like Authorization."""
    app_id: str = ""
    """Owner of the request."""
    waits_for_place: bool = True
    """Counts against the concurrency limit. False for a request that another one, holding a place, waits for: otherwise
    all could deadlock."""
    follow_redirects: bool = True
    """If False, a redirect is an ordinary response."""
    enough: Callable[[bytes], bool] | None = None
    """Called with each chunk of the body. Once it returns True the response ends, for streams that the server leaves
    open. Only for uncompressed responses."""


class HttpResponse(Struct, frozen=True):
    """A complete, decompressed response."""

    status: int
    headers: Pairs
    """As sent by the server. Content-Length and Content-Encoding describe the transfer, not ``body``."""
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's value, several joined by ``", "``; ``""`` if missing. ``name`` in any case."""
        name = name.lower()
        return ", ".join(value for key, value in self.headers if key.lower() == name)


class HttpClient(Protocol):
    """Sends requests. Contract: ``tests/outbound``.

    Calls may overlap and share connections; waiting apps take turns. Cancelling a call drops its connection.
    """

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        """Send a request, follow redirects if requested, and read the response. Any status is a response.
        Raises ``HttpFailure`` if there is no usable response."""

    async def close(self) -> None:
        """Close every connection. Idempotent."""


class Resolve(Protocol):
    """Resolves host names."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses, best first. Raises ``OSError``: none found, or the name service is unreachable."""


_UNKNOWN: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL errors for an unknown certificate authority."""
_STRICT: Final = range(80, 94)
"""OpenSSL errors for ``X509_V_FLAG_X509_STRICT``, which Python sets since 3.13."""
_EXTENSIONS: Final[Mapping[int, str]] = {
    85: "authorityKeyIdentifier=keyid",
    86: "subjectKeyIdentifier=hash",
    89: "basicConstraints=critical,CA:TRUE",
    92: "keyUsage=critical,keyCertSign,cRLSign",
}
"""OpenSSL configuration that adds the missing extension to a certificate."""


class Connections(Protocol):
    """Opens TCP connections under the address policy. ``jikko.outbound.tunnel.Tunnels`` is the only implementation."""

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Resolve a name, check the address, and connect to exactly that address. ``host``: A name or an address,
        without brackets. Raises ``HttpFailure``: forbidden address (``address``), or no connection (``connect``)."""


AUTHORITY: Final = "let this machine trust its authority, or name a PEM file of it by the variable SSL_CERT_FILE"
"""Remedy for an unknown certificate authority."""


def why_untrusted(error: ssl.SSLCertVerificationError, authority: str) -> str:
    """Return what is wrong with a certificate, and what to do. ``authority``: Remedy for an unknown authority."""
    if error.verify_code in _UNKNOWN:
        return f"{error.verify_message}; {authority}"
    if error.verify_code not in _STRICT:
        return error.verify_message
    extension = _EXTENSIONS.get(error.verify_code)
    return (
        f"{error.verify_message}. From Python 3.13 on certificates, of servers and authorities, have to meet RFC 5280: "
        f"have it issued again{f' with {extension}' if extension else ''}"
    )


def retry_seconds(retry_after: str) -> float | None:
    """Parse ``Retry-After``, a number or a date, into the seconds to wait; ``None`` if it is neither."""
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, float(retry_after))
    except ValueError:
        with suppress(ValueError, OverflowError):
            return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None
