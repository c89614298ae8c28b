"""Requests and answers."""

import datetime
import json as json_
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

from jikko.sandbox.clients.shared.bodies import make_body, with_params
from jikko.sandbox.clients.shared.headers import Headers
from jikko.sandbox.clients.shared.hops import Cookies, HttpExchange, escaped
from jikko.sandbox.clients.shared.texts import declared_charset, guessed_charset

from ._errors import HTTPStatusError, UnsupportedProtocol


class URL(str):
    """An address: a text with its parts."""

    @property
    def scheme(self) -> str:
        """Such as ``https``."""
        return urlsplit(self).scheme

    @property
    def host(self) -> str:
        """The host, without its port."""
        return urlsplit(self).hostname or ""

    @property
    def port(self) -> int | None:
        """The port, if it is said."""
        return urlsplit(self).port

    @property
    def path(self) -> str:
        """The path."""
        return urlsplit(self).path

    @property
    def query(self) -> bytes:
        """The query, as bytes."""
        return urlsplit(self).query.encode()


class Timeout:
    """Seconds that parts of a request may take; ``None`` for as long as the server allows."""

    def __init__(self, timeout: Any = 5.0, **parts: Any) -> None:
        if isinstance(timeout, Timeout):
            values: list[Any] = timeout.parts()
        elif isinstance(timeout, (tuple, list)):
            values = [*timeout, None, None][:4]
        else:
            values = [timeout] * 4
        self.connect: float | None = parts.get("connect", values[0])
        self.read: float | None = parts.get("read", values[1])
        self.write: float | None = parts.get("write", values[2])
        self.pool: float | None = parts.get("pool", values[3])

    def parts(self) -> list[Any]:
        """All four."""
        return [self.connect, self.read, self.write, self.pool]


class Request:
    """A request."""

    def __init__(
        self,
        method: str,
        url: Any,
        *,
        params: Any = None,
        headers: Any = None,
        content: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        extensions: Any = None,
        cookies: Any = None,
    ) -> None:
        text = str(url)
        if not text.lower().startswith(("http://", "https://")):
            raise UnsupportedProtocol("Request URL is missing an 'http://' or 'https://' protocol.", request=self)
        self.method = method.upper()
        self.url = URL(escaped(with_params(text, params, replace=params is not None)))
        body = make_body(content if content is not None else data, files, json, compact=True)
        if files and content is not None:
            raise TypeError("content and files cannot both be given")
        self.headers = Headers(headers)
        if body.content_type is not None and "content-type" not in self.headers:
            self.headers["Content-Type"] = body.content_type
        self.content = body.content

    def __repr__(self) -> str:
        return f"<Request({self.method!r}, {str(self.url)!r})>"

    def read(self) -> bytes:
        """The body."""
        return self.content


class Response:
    """An answer, complete."""

    def __init__(self, status_code: int = 0, *, headers: Any = None, content: bytes = b"", request: Any = None) -> None:
        self.status_code = status_code
        self.headers = Headers(headers)
        self.request: Any = request
        self.history: list[Response] = []
        self.elapsed = datetime.timedelta(0)
        self.cookies = Cookies()
        self.next_request: Request | None = None
        self.reason_phrase = ""
        self.http_version = "HTTP/1.1"
        self.is_closed = self.is_stream_consumed = True
        self._content = content
        self._encoding = declared_charset(self.headers.get("content-type", ""))

    @classmethod
    def of(cls, hop: HttpExchange) -> "Response":
        """The answer of one hop."""
        request = Request(hop.method, hop.url, headers=hop.sent, content=hop.body or None)
        response = cls(hop.status, headers=hop.headers, content=hop.content, request=request)
        response.elapsed = datetime.timedelta(seconds=hop.seconds)
        response.cookies = Cookies(hop.cookies)
        response.reason_phrase = hop.reason
        return response

    def __repr__(self) -> str:
        return f"<Response [{self.status_code} {self.reason_phrase}]>"

    @property
    def url(self) -> URL:
        """The address that answered."""
        return URL(self.request.url if self.request else "")

    @property
    def content(self) -> bytes:
        """The body."""
        return self._content

    @property
    def encoding(self) -> str:
        """The encoding of the text: the one that is declared, else UTF-8 where it can be."""
        return self._encoding or guessed_charset(self._content)

    @encoding.setter
    def encoding(self, name: str) -> None:
        self._encoding = name

    @property
    def charset_encoding(self) -> str | None:
        """The encoding that is declared."""
        return declared_charset(self.headers.get("content-type", ""))

    @property
    def text(self) -> str:
        """The body as text."""
        return self._content.decode(self.encoding, "replace")

    @property
    def num_bytes_downloaded(self) -> int:
        """Bytes of the body."""
        return len(self._content)

    @property
    def is_informational(self) -> bool:
        """Whether the status begins with 1."""
        return self.status_code // 100 == 1

    @property
    def is_success(self) -> bool:
        """Whether the status begins with 2."""
        return self.status_code // 100 == 2

    @property
    def is_redirect(self) -> bool:
        """Whether the status begins with 3."""
        return self.status_code // 100 == 3

    @property
    def is_client_error(self) -> bool:
        """Whether the status begins with 4."""
        return self.status_code // 100 == 4

    @property
    def is_server_error(self) -> bool:
        """Whether the status begins with 5."""
        return self.status_code // 100 == 5

    @property
    def is_error(self) -> bool:
        """Whether the status begins with 4 or 5."""
        return self.status_code // 100 in (4, 5)

    @property
    def has_redirect_location(self) -> bool:
        """Whether it says where else to look."""
        return self.status_code in (301, 302, 303, 307, 308) and "location" in self.headers

    def json(self, **options: Any) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is none.
        """
        return json_.loads(self._content, **options)

    def raise_for_status(self) -> "Response":
        """Raise unless the status begins with 2.

        Raises:
            HTTPStatusError: It does not.
        """
        if self.is_success:
            return self
        kinds = {1: "Informational response", 3: "Redirect response", 4: "Client error", 5: "Server error"}
        kind = kinds.get(self.status_code // 100, "Invalid status code")
        message = f"{kind} '{self.status_code} {self.reason_phrase}' for url '{self.url}'"
        raise HTTPStatusError(message, request=self.request, response=self)

    def read(self) -> bytes:
        """The body."""
        return self._content

    async def aread(self) -> bytes:
        """The body."""
        return self._content

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The body in pieces."""
        size = chunk_size or 65_536
        return (self._content[start : start + size] for start in range(0, len(self._content), size))

    iter_raw = iter_bytes

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """The text in pieces."""
        size = chunk_size or 65_536
        return (self.text[start : start + size] for start in range(0, len(self.text), size))

    def iter_lines(self) -> Iterator[str]:
        """The lines of the text."""
        return iter(self.text.splitlines())

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The body in pieces."""
        for piece in self.iter_bytes(chunk_size):
            yield piece

    async def aiter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        """The text in pieces."""
        for piece in self.iter_text(chunk_size):
            yield piece

    async def aiter_lines(self) -> AsyncIterator[str]:
        """The lines of the text."""
        for line in self.iter_lines():
            yield line

    def close(self) -> None:
        """Do nothing: the answer is here."""

    async def aclose(self) -> None:
        """Do nothing."""
