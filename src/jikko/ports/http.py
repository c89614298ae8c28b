"""Requests and connections to the outside world."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Phrase

FailureKind: TypeAlias = Literal[
    "url", "body", "request", "address", "connect", "timeout", "redirect", "protocol", "too_large"
]
"""``url``, ``body``: it cannot be used. ``request``: something else in it cannot be sent. ``address``: refused by the
address policy. ``connect``: no such host, no connection, or no trust in the certificate. ``protocol``: what came back
is not a complete HTTP answer."""

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
"""The error of a failure whose own text may hold a secret: it names hosts and headers."""

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values in their order; a name may occur more than once."""

MAX_REDIRECTS: Final = 20


class HttpFailure(Exception):
    """A request got no answer that can be used. The message is for the user to read and holds no secret."""

    def __init__(self, message: str | Phrase, *, kind: FailureKind) -> None:
        """``message``: a sentence; or a phrase, of which it is made."""
        self.kind = kind
        self.phrase = message if isinstance(message, Phrase) else None
        super().__init__(f"{message.text()}." if isinstance(message, Phrase) else message)


class FormFile(Struct, frozen=True):
    """A file in a multipart body."""

    name: str
    """Of the form's field."""
    filename: str
    """``""`` to send none."""
    content: bytes
    content_type: str


class Multipart(Struct, frozen=True):
    """A body of type ``multipart/form-data``: the fields, then the files. The caller sets the Content-Type header."""

    boundary: str
    fields: Pairs
    files: tuple[FormFile, ...]


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds that the parts of a request may take."""

    connect: float = 10.0
    """Finding the address, connecting and the TLS handshake."""
    read: float = 600.0
    """Silence of the server, before its answer and within it."""
    write: float = 600.0
    """For the server to take the next piece of the body."""
    total: float = 1200.0
    """All of it, redirects included. Waiting for its turn does not count."""


class OutgoingRequest(Struct, frozen=True, kw_only=True):
    """A request to be sent."""

    method: str
    url: str
    """Starts with ``http://`` or ``https://``. What may not stand in a URL is escaped on the way."""
    headers: Pairs = ()
    """Only ASCII. Those that say how a message is framed (Content-Length, Transfer-Encoding, …) are left out."""
    params: Pairs = ()
    """If there are any, they replace the query of ``url``."""
    body: bytes | Multipart | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    ssl_verify: bool | None = None
    """Whether the server's certificate is checked; ``None`` leaves it to the client."""
    max_bytes: int = 10_485_760
    """The largest body of an answer, decompressed."""
    secret_headers: frozenset[str] = frozenset()
    """Names, in lower case, of headers that stay with the origin when a redirect leaves it, as Authorization does."""
    app_id: str = ""
    """For whom it is sent."""
    waits_for_place: bool = True
    """Whether it is one of those that there may be at a time. Not what another one waits for that has a place: all of
    them could wait so."""
    follow_redirects: bool = True
    """If not, a redirect is an answer like any other."""
    enough: Callable[[bytes], bool] | None = None
    """Called with each piece of the body as it comes. Once it says yes the answer is over, whatever would follow: for
    streams that their server leaves open. Only for answers that are not compressed."""


class HttpResponse(Struct, frozen=True):
    """An answer, complete and decompressed."""

    status: int
    headers: Pairs
    """As the server sent them. Content-Length and Content-Encoding are about what was sent, not about ``body``."""
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, several joined by ``", "``; ``""`` if there is none. ``name`` in any case."""
        name = name.lower()
        return ", ".join(value for key, value in self.headers if key.lower() == name)


class HttpClient(Protocol):
    """Sends requests. What an implementation must do is in ``tests/outbound``.

    Calls may overlap, and share connections; where some have to wait, apps take turns. Cancelling a call drops its
    connection.
    """

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        """Send a request, follow its redirects if it wants that, and read the answer. Any status is an answer.
        Raises ``HttpFailure``: there was no answer, or none that can be used."""

    async def close(self) -> None:
        """Close all connections. May be called twice."""


class Resolve(Protocol):
    """Finds the addresses of a host name."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses, best first. Raises ``OSError``: there are none, or the name service does not answer."""


_UNKNOWN: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's errors of a certificate whose authority is not known."""
_STRICT: Final = range(80, 94)
"""OpenSSL's errors of ``X509_V_FLAG_X509_STRICT``, which Python sets from 3.13 on."""
_EXTENSIONS: Final[Mapping[int, str]] = {
    85: "authorityKeyIdentifier=keyid",
    86: "subjectKeyIdentifier=hash",
    89: "basicConstraints=critical,CA:TRUE",
    92: "keyUsage=critical,keyCertSign,cRLSign",
}
"""What OpenSSL's configuration says of a certificate that has what is missing."""


class Connections(Protocol):
    """Opens TCP connections under the address policy. ``jikko.outbound.tunnel.Tunnels`` is the one implementation."""

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; the name is resolved here and now, and what is connected to is what was checked. ``host``: a name or
        an address, without brackets. Raises ``HttpFailure``: the address may not be reached (``address``), or there is
        no connection (``connect``)."""


AUTHORITY: Final = "let this machine trust its authority, or name a PEM file of it by the variable SSL_CERT_FILE"
"""What to do where the authority of a certificate is not known."""


def why_untrusted(error: ssl.SSLCertVerificationError, authority: str) -> str:
    """What is wrong with a certificate, and what to do. ``authority``: what to do where its authority is not known."""
    if error.verify_code in _UNKNOWN:
        return f"{error.verify_message}; {authority}"
    if error.verify_code not in _STRICT:
        return error.verify_message
    extension = _EXTENSIONS.get(error.verify_code)
    return (
        f"{error.verify_message}. From Python 3.13 on certificates, of servers and authorities, have to meet RFC 5280: "
        f"have it issued again{f' with {extension}' if extension else ''}"
    )
