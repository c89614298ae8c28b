"""Clients: what several requests have in common."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final
from urllib.parse import urljoin

from jikko.sandbox.clients.shared.headers import Headers
from jikko.sandbox.clients.shared.hops import Cookies, ExchangeFailed, SendOptions, TooMany, authorized, basic, perform

from ._errors import TooManyRedirects, of_kind
from ._models import Request, Response, Timeout

USE_CLIENT_DEFAULT: Final[Any] = object()


class BasicAuth:
    """User and password."""

    def __init__(self, username: Any, password: Any) -> None:
        self._value = basic(username, password)

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = self._value
        return request


class _Client:
    def __init__(
        self,
        *,
        auth: Any = None,
        params: Any = None,
        headers: Any = None,
        cookies: Any = None,
        verify: Any = True,
        timeout: Any = 5.0,
        follow_redirects: bool = False,
        max_redirects: int = 20,
        base_url: Any = "",
        event_hooks: Any = None,
        **_: Any,
    ) -> None:
        """What is left out (proxies, certificates, transports, limits of connections) is the server's matter."""
        self.auth = auth
        self.params = params
        self.headers = Headers({"User-Agent": "python-httpx", "Accept": "*/*"})
        self.headers.update(Headers(headers))
        self.cookies = Cookies(cookies)
        self.timeout = Timeout(timeout)
        self.follow_redirects = follow_redirects
        self.max_redirects = max_redirects
        self.base_url = str(base_url)
        self.event_hooks = event_hooks or {}
        self.is_closed = False
        self._verify = False if verify is False else None

    def build_request(self, method: str, url: Any, **options: Any) -> Request:
        """A request with what the client adds to it."""
        text = str(url)
        if self.base_url and not text.lower().startswith(("http://", "https://")):
            text = urljoin(self.base_url.rstrip("/") + "/", text.lstrip("/"))
        headers = self.headers.copy()
        headers.update(Headers(options.pop("headers", None)))
        params = options.pop("params", None)
        if self.params:
            params = {**dict(self.params), **dict(params or {})}
        known = ("content", "data", "files", "json")
        return Request(
            method, text, params=params, headers=headers, **{name: options[name] for name in known if name in options}
        )

    def _send(self, request: Request, options: dict[str, Any]) -> Response:
        timeout = options.get("timeout", USE_CLIENT_DEFAULT)
        seconds = self.timeout if timeout is USE_CLIENT_DEFAULT else Timeout(timeout)
        auth = options.get("auth", USE_CLIENT_DEFAULT)
        authorized(self.auth if auth is USE_CLIENT_DEFAULT else auth, request.headers, lambda: request)
        follow = options.get("follow_redirects", USE_CLIENT_DEFAULT)
        follow = self.follow_redirects if follow is USE_CLIENT_DEFAULT else follow
        jar = self.cookies.and_those_of(options.get("cookies"))
        limits = SendOptions(seconds.connect, seconds.read, self._verify, self.max_redirects)
        for hook in self.event_hooks.get("request", ()):
            hook(request)
        try:
            hops = perform(request.method, str(request.url), request.headers, request.content, limits, jar, follow)
        except TooMany:
            raise TooManyRedirects("Exceeded maximum allowed redirects.", request=request) from None
        except ExchangeFailed as failure:
            raise of_kind(failure.kind, str(failure), request) from None
        self.cookies.learn(hops)
        answers = [Response.of(hop) for hop in hops]
        answers[-1].history = answers[:-1]
        if hops[-1].target is not None:
            answers[-1].next_request = Request("GET", hops[-1].target)
        for hook in self.event_hooks.get("response", ()):
            hook(answers[-1])
        return answers[-1]


class Client(_Client):
    """Headers, cookies and more that each of its requests is sent with."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Send no more."""
        self.is_closed = True

    def send(self, request: Request, **options: Any) -> Response:
        """Send a request that is ready."""
        return self._send(request, options)

    def request(self, method: str, url: Any, **options: Any) -> Response:
        """Send a request and wait for the whole answer.

        Raises:
            HTTPError: There was no answer.
            InvalidURL: The address cannot be used.
        """
        return self._send(self.build_request(method, url, **dict(options)), options)

    @contextlib.contextmanager
    def stream(self, method: str, url: Any, **options: Any) -> Iterator[Response]:
        """The same: the answer is whole when it is here."""
        yield self.request(method, url, **options)

    def get(self, url: Any, **options: Any) -> Response:
        """Send a GET request."""
        return self.request("GET", url, **options)

    def options(self, url: Any, **options: Any) -> Response:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", url, **options)

    def head(self, url: Any, **options: Any) -> Response:
        """Send a HEAD request."""
        return self.request("HEAD", url, **options)

    def post(self, url: Any, **options: Any) -> Response:
        """Send a POST request."""
        return self.request("POST", url, **options)

    def put(self, url: Any, **options: Any) -> Response:
        """Send a PUT request."""
        return self.request("PUT", url, **options)

    def patch(self, url: Any, **options: Any) -> Response:
        """Send a PATCH request."""
        return self.request("PATCH", url, **options)

    def delete(self, url: Any, **options: Any) -> Response:
        """Send a DELETE request."""
        return self.request("DELETE", url, **options)


class AsyncClient(_Client):
    """The same for ``async`` programs. Requests go one after the other, also of ``asyncio.gather``."""

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send no more."""
        self.is_closed = True

    async def send(self, request: Request, **options: Any) -> Response:
        """Send a request that is ready."""
        return self._send(request, options)

    async def request(self, method: str, url: Any, **options: Any) -> Response:
        """Send a request and wait for the whole answer. Raises as ``Client.request``."""
        return self._send(self.build_request(method, url, **dict(options)), options)

    @contextlib.asynccontextmanager
    async def stream(self, method: str, url: Any, **options: Any) -> AsyncIterator[Response]:
        """The same: the answer is whole when it is here."""
        yield await self.request(method, url, **options)

    async def get(self, url: Any, **options: Any) -> Response:
        """Send a GET request."""
        return await self.request("GET", url, **options)

    async def options(self, url: Any, **options: Any) -> Response:
        """Send an OPTIONS request."""
        return await self.request("OPTIONS", url, **options)

    async def head(self, url: Any, **options: Any) -> Response:
        """Send a HEAD request."""
        return await self.request("HEAD", url, **options)

    async def post(self, url: Any, **options: Any) -> Response:
        """Send a POST request."""
        return await self.request("POST", url, **options)

    async def put(self, url: Any, **options: Any) -> Response:
        """Send a PUT request."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: Any, **options: Any) -> Response:
        """Send a PATCH request."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: Any, **options: Any) -> Response:
        """Send a DELETE request."""
        return await self.request("DELETE", url, **options)
