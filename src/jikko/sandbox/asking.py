"""What a program asks of the server while it runs: requests that the server makes for it.

A program may ask for anything, so nothing is believed: what is no request is answered as a failure.
"""

import json
import re
from typing import Any, Final

from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.ports.sandbox import SendForProgram
from jikko.sandbox.wire import pack

MARK: Final = b'{"http":'
"""What the text of a request begins with; no reply does."""
MAX_TEXT: Final = 1 << 20
"""How long the text of a request may be, in bytes: address and headers."""
MAX_BODY: Final = 10 << 20
"""How large the body of a request may be, in bytes."""

_METHOD: Final = re.compile(r"[A-Za-z]{1,20}")
_MAX_HEADERS: Final = 200


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
        request: Any = json.loads(text)["http"]
        method, url, headers = request["method"], request["url"], request["headers"]
        seconds = {name: _seconds(request.get(name)) for name in ("connect", "read")}
        verify = request.get("verify")
        pairs = tuple((name, value) for name, value in headers)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise HttpFailure("The program asked for something that is no request.", kind="request") from None
    if not isinstance(method, str) or not _METHOD.fullmatch(method) or not isinstance(verify, bool | None):
        raise HttpFailure("The program asked for something that is no request.", kind="request")
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://")):
        raise HttpFailure("url should start with http:// or https://", kind="url")
    if len(pairs) > _MAX_HEADERS:
        raise HttpFailure(f"A request has at most {_MAX_HEADERS} headers.", kind="request")
    if not all(isinstance(part, str) and part.isascii() and part.isprintable() for pair in pairs for part in pair):
        raise HttpFailure("Names and values of headers must be ASCII, on one line.", kind="request")
    usual = Timeouts()
    return OutgoingRequest(
        method=method.upper(),
        url=url,
        headers=pairs,
        body=body or None,
        timeouts=Timeouts(
            connect=min(seconds["connect"] or usual.connect, usual.connect),
            read=min(seconds["read"] or usual.read, usual.read),
        ),
        ssl_verify=verify,
        # The program follows redirects itself, so that it sees them, and each is made under the same rules.
        follow_redirects=False,
    )


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError
    return float(value)


def _packed(response: HttpResponse) -> bytes:
    text = json.dumps({"status": response.status, "headers": response.headers})
    return pack(text.encode("utf-8", "replace"), response.body)
