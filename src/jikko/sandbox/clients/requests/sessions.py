"""Sessions: what several requests have in common."""

from typing import Any, Final

from jikko.sandbox.clients.shared.headers import Headers
from jikko.sandbox.clients.shared.hops import Cookies, ExchangeFailed, SendOptions, TooMany, authorized, perform

from .adapters import BaseAdapter, HTTPAdapter
from .exceptions import TooManyRedirects, of_kind
from .models import PreparedRequest, Request, Response

_MAX_REDIRECTS: Final = 30


class Session:
    """Headers, cookies and more that each of its requests is sent with."""

    def __init__(self) -> None:
        self.headers = Headers({"User-Agent": "python-requests", "Accept": "*/*"})
        self.auth: Any = None
        self.params: Any = {}
        self.cookies = Cookies()
        self.verify: Any = True
        self.cert: Any = None
        self.proxies: dict[str, str] = {}
        self.hooks: dict[str, Any] = {"response": []}
        self.stream = False
        self.trust_env = True
        self.max_redirects = _MAX_REDIRECTS
        self.adapters: dict[str, BaseAdapter] = {"https://": HTTPAdapter(), "http://": HTTPAdapter()}

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None:
        """Do nothing: connections are the server's."""

    def mount(self, prefix: str, adapter: BaseAdapter) -> None:
        """Take an adapter; it is not used."""
        self.adapters[prefix] = adapter

    def get_adapter(self, url: str) -> BaseAdapter:
        """The adapter that was mounted for an address."""
        found = [prefix for prefix in self.adapters if url.lower().startswith(prefix)]
        return self.adapters[max(found, key=len)] if found else HTTPAdapter()

    def prepare_request(self, request: Request) -> PreparedRequest:
        """A request with what the session adds to it."""
        params = request.params
        if self.params:
            own = request.params
            params = {**self.params, **own} if isinstance(own, dict) else own or self.params
        request.params = params
        prepared = request.prepare()
        headers = self.headers.copy()
        for name, value in prepared.headers.items():
            headers[name] = value
        for name, given in (request.headers or {}).items():
            if given is None:
                headers.pop(name, None)
        prepared.headers = headers
        authorized(request.auth if request.auth is not None else self.auth, headers, lambda: prepared)
        return prepared

    def request(
        self,
        method: str,
        url: Any,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        files: Any = None,
        auth: Any = None,
        timeout: Any = None,
        allow_redirects: bool = True,
        proxies: Any = None,
        hooks: Any = None,
        stream: Any = None,
        verify: Any = None,
        cert: Any = None,
        json: Any = None,
    ) -> Response:
        """Send a request and wait for the whole answer. Proxies and client certificates are the server's matter.

        Raises:
            RequestException: There was no answer.
        """
        request = Request(method, url, headers, files, data, params, auth, cookies, hooks, json)
        return self.send(
            self.prepare_request(request),
            timeout=timeout,
            allow_redirects=allow_redirects,
            verify=self.verify if verify is None else verify,
            cookies=cookies,
            hooks=hooks,
        )

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Send a request that is ready."""
        connect, read = _timeouts(options.get("timeout"))
        # True is the default: the server's own setting decides.
        limits = SendOptions(connect, read, False if options.get("verify") is False else None, self.max_redirects)
        jar = self.cookies.and_those_of(options.get("cookies"))
        follow = options.get("allow_redirects", True)
        headers = Headers((name, value) for name, value in request.headers.items() if value is not None)
        try:
            hops = perform(request.method, request.url, headers, request.body, limits, jar, follow)
        except TooMany:
            raise TooManyRedirects(f"Exceeded {self.max_redirects} redirects.", request=request) from None
        except ExchangeFailed as failure:
            raise of_kind(failure.kind)(str(failure), request=request) from None
        self.cookies.learn(hops)
        answers = [Response.of(hop) for hop in hops]
        answers[-1].history = answers[:-1]
        for hook in _hooks(self.hooks) + _hooks(options.get("hooks")):
            answers[-1] = hook(answers[-1]) or answers[-1]
        return answers[-1]

    def get(self, url: Any, **options: Any) -> Response:
        """Send a GET request."""
        return self.request("GET", url, **options)

    def options(self, url: Any, **options: Any) -> Response:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", url, **options)

    def head(self, url: Any, **options: Any) -> Response:
        """Send a HEAD request. Redirects are not followed unless ``allow_redirects`` says so."""
        return self.request("HEAD", url, **{"allow_redirects": False, **options})

    def post(self, url: Any, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Send a POST request."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: Any, data: Any = None, **options: Any) -> Response:
        """Send a PUT request."""
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: Any, data: Any = None, **options: Any) -> Response:
        """Send a PATCH request."""
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url: Any, **options: Any) -> Response:
        """Send a DELETE request."""
        return self.request("DELETE", url, **options)


def session() -> Session:
    """A session."""
    return Session()


def _timeouts(timeout: Any) -> tuple[float | None, float | None]:
    if isinstance(timeout, (tuple, list)):
        connect, read = timeout
        return connect, read
    return timeout, timeout


def _hooks(hooks: Any) -> list[Any]:
    found = (hooks or {}).get("response") or []
    return list(found) if isinstance(found, (list, tuple)) else [found]
