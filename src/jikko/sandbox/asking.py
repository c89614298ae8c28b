"""What a program asks of the server while it runs: requests that the server makes for it.

A program may ask for anything, so nothing is believed: what is no request is answered as a failure.
"""

import json
from typing import Annotated, Final, TypeAlias

from msgspec import DecodeError, Meta, Struct
from msgspec.json import Decoder

from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.ports.sandbox import SendForProgram
from jikko.sandbox.wire import pack

MARK: Final = b'{"http":'
"""What the text of a request begins with; no reply does."""
MAX_TEXT: Final = 1 << 20
"""How long the text of a request may be, in bytes: address and headers."""
MAX_BODY: Final = 10 << 20
"""How large the body of a request may be, in bytes."""

_MAX_HEADERS: Final = 200

_Seconds: TypeAlias = Annotated[float, Meta(gt=0)] | None


class _Asked(Struct):
    """What the text of a request holds. Numbers are finite."""

    method: Annotated[str, Meta(pattern=r"\A[A-Za-z]{1,20}\Z")]
    url: str
    headers: tuple[tuple[str, str], ...]
    connect: _Seconds = None
    read: _Seconds = None
    verify: bool | None = None


class _Message(Struct):
    http: _Asked


_decode: Final = Decoder(_Message).decode


async def answered(text: bytes, body: bytes, send: SendForProgram | None) -> bytes:
    """Make a request and pack what came of it, for the program."""
    try:
        if send is None:
            raise HttpFailure("Programs can make no requests here.", kind="request")
        response = await send(parse_request(text, body))
    except HttpFailure as failure:
        return pack(json.dumps({"failure": failure.kind, "message": str(failure)}).encode())
    return _packed(response)


def parse_request(text: bytes, body: bytes) -> OutgoingRequest:
    """A request of a program.

    Raises:
        HttpFailure: It is none, or cannot be sent as it is.
    """
    try:
        asked = _decode(text).http
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpFailure(f"The program asked for something that is not a request: {error}", kind="request") from None
    if not asked.url.lower().startswith(("http://", "https://")):
        raise HttpFailure("url should start with http:// or https://", kind="url")
    if len(asked.headers) > _MAX_HEADERS:
        raise HttpFailure(f"A request has at most {_MAX_HEADERS} headers.", kind="request")
    if not all(part.isascii() and part.isprintable() for pair in asked.headers for part in pair):
        raise HttpFailure("Names and values of headers must be ASCII, on one line.", kind="request")
    usual = Timeouts()
    return OutgoingRequest(
        method=asked.method.upper(),
        url=asked.url,
        headers=asked.headers,
        body=body or None,
        timeouts=Timeouts(
            connect=min(asked.connect or usual.connect, usual.connect),
            read=min(asked.read or usual.read, usual.read),
        ),
        ssl_verify=asked.verify,
        # The program follows redirects itself, so that it sees them, and each is made under the same rules.
        follow_redirects=False,
    )


def _packed(response: HttpResponse) -> bytes:
    text = json.dumps({"status": response.status, "headers": response.headers})
    return pack(text.encode("utf-8", "replace"), response.body)
