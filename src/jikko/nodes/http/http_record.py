"""The recorded request of an HTTP Request node: its text, as HTTP/1.1 would have it."""

from urllib.parse import urlencode, urlparse

from jikko.ports.http import Pairs


def request_text(method: str, url: str, *, params: Pairs, headers: Pairs, masked_header: str | None, body: str) -> str:
    """The text of a request. Raises ``ValueError``: the URL cannot be taken apart.

    User and password in ``url`` are left out, and so are headers that the HTTP client adds; the ``masked_header`` has
    asterisks. Source: docs/dify-behaviour.md, “HTTP request”.
    """
    parts = urlparse(url)
    query = urlencode(params) if params else parts.query
    lines = [
        f"{method.upper()} {parts.path or '/'}{'?' if query else ''}{query} HTTP/1.1",
        f"Host: {parts.netloc.rpartition('@')[2]}",
    ]
    for name, value in headers:
        masked = masked_header is not None and name.lower() == masked_header.lower()
        lines.append(f"{name}: {'*' * len(value) if masked else value}")
    if body:
        # Characters, not bytes: so does Dify.
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", body])
