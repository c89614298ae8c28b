"""Requests and answers."""

import datetime
import io
import json as json_
from collections.abc import Iterator
from typing import Any

from jikko.sandbox.clients.shared.bodies import make_body, with_params
from jikko.sandbox.clients.shared.headers import Headers
from jikko.sandbox.clients.shared.hops import Cookies, HttpExchange, escaped
from jikko.sandbox.clients.shared.texts import declared_charset, guessed_charset

from .exceptions import HTTPError, InvalidJSONError, InvalidSchema, InvalidURL, JSONDecodeError, MissingSchema


class PreparedRequest:
    """A request, ready to be sent."""

    def __init__(self, method: str = "GET", url: str = "", headers: Any = None, body: bytes = b"") -> None:
        self.method = method
        self.url = url
        self.headers = Headers(headers)
        self.body = body

    def __repr__(self) -> str:
        return f"<PreparedRequest [{self.method}]>"


class Request:
    """What is asked for."""

    def __init__(
        self,
        method: str | None = None,
        url: Any = None,
        headers: Any = None,
        files: Any = None,
        data: Any = None,
        params: Any = None,
        auth: Any = None,
        cookies: Any = None,
        hooks: Any = None,
        json: Any = None,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers or {}
        self.files = files
        self.data = data
        self.params = params
        self.auth = auth
        self.cookies = cookies
        self.hooks = hooks
        self.json = json

    def prepare(self) -> PreparedRequest:
        """Make it ready.

        Raises:
            RequestException: The address or the body cannot be used.
        """
        url = self.url.decode() if isinstance(self.url, bytes) else str(self.url)
        _check(url)
        try:
            url = with_params(url, self.params)
            body = make_body(self.data, self.files, self.json)
        except (TypeError, ValueError) as error:
            if self.json is not None:
                raise InvalidJSONError(error) from None
            raise
        headers = Headers(self.headers)
        if body.content_type is not None and "content-type" not in headers:
            headers["Content-Type"] = body.content_type
        return PreparedRequest((self.method or "GET").upper(), escaped(url), headers, body.content)


class Response:
    """An answer, complete."""

    def __init__(self) -> None:
        self.status_code = 0
        self.headers = Headers()
        self.url = ""
        self.reason = ""
        self.encoding: str | None = None
        self.history: list[Response] = []
        self.cookies = Cookies()
        self.elapsed = datetime.timedelta(0)
        self.request = PreparedRequest()
        self._content = b""

    @classmethod
    def of(cls, hop: HttpExchange) -> "Response":
        """The answer of one hop."""
        response = cls()
        response.status_code = hop.status
        response.headers = hop.headers
        response.url = hop.url
        response.reason = hop.reason
        response.cookies = Cookies(hop.cookies)
        response.elapsed = datetime.timedelta(seconds=hop.seconds)
        response.request = PreparedRequest(hop.method, hop.url, hop.sent, hop.body)
        response._content = hop.content
        kind = hop.headers.get("content-type", "")
        response.encoding = declared_charset(kind) or ("ISO-8859-1" if kind.startswith("text/") else None)
        return response

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"

    def __bool__(self) -> bool:
        return self.ok

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_content(128)

    @property
    def ok(self) -> bool:
        """Whether the status is less than 400."""
        return self.status_code < 400

    @property
    def content(self) -> bytes:
        """The body."""
        return self._content

    @property
    def raw(self) -> io.BytesIO:
        """The body, to be read from."""
        return io.BytesIO(self._content)

    @property
    def apparent_encoding(self) -> str:
        """The encoding that the body looks like."""
        return guessed_charset(self._content)

    @property
    def text(self) -> str:
        """The body as text."""
        try:
            return self._content.decode(self.encoding or self.apparent_encoding, "replace")
        except LookupError:
            return self._content.decode("utf-8", "replace")

    @property
    def is_redirect(self) -> bool:
        """Whether it says where else to look."""
        return "location" in self.headers and self.status_code in (301, 302, 303, 307, 308)

    @property
    def is_permanent_redirect(self) -> bool:
        """Whether it does so for good."""
        return "location" in self.headers and self.status_code in (301, 308)

    def json(self, **options: Any) -> Any:
        """The body as JSON.

        Raises:
            JSONDecodeError: It is none.
        """
        try:
            if self.encoding in (None, "ISO-8859-1"):
                return json_.loads(self._content.decode(guessed_charset(self._content)), **options)
            return json_.loads(self.text, **options)
        except json_.JSONDecodeError as error:
            raise JSONDecodeError(error.msg, error.doc, error.pos) from None

    def raise_for_status(self) -> None:
        """Raise if the status is 400 or more.

        Raises:
            HTTPError: It is.
        """
        if self.status_code >= 400:
            whose = "Client" if self.status_code < 500 else "Server"
            text = f"{self.status_code} {whose} Error: {self.reason} for url: {self.url}"
            raise HTTPError(text, response=self)

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        """The body in pieces."""
        whole: Any = self.text if decode_unicode else self._content
        size = chunk_size or len(whole) or 1
        return (whole[start : start + size] for start in range(0, len(whole), size))

    def iter_lines(self, chunk_size: int = 512, decode_unicode: bool = False, delimiter: Any = None) -> Iterator[Any]:
        """The lines of the body."""
        whole: Any = self.text if decode_unicode else self._content
        return iter(whole.split(delimiter) if delimiter else whole.splitlines())

    def close(self) -> None:
        """Do nothing: the answer is here."""


def _check(url: str) -> None:
    scheme, mark, rest = url.strip().partition("://")
    if not mark:
        raise MissingSchema(f"Invalid URL {url!r}: No scheme supplied. Perhaps you meant https://{url}?")
    if scheme.lower() not in ("http", "https"):
        raise InvalidSchema(f"No connection adapters were found for {url!r}")
    if not rest.strip("/"):
        raise InvalidURL(f"Invalid URL {url!r}: No host supplied")
