"""Sends a request and follows its redirects, with the cookies that come by."""

import base64
import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit, urlunsplit

from jikko.sandbox.clients.shared.exchange import ExchangeFailed, send
from jikko.sandbox.clients.shared.headers import Headers

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_OF_BODIES: Final = ("Content-Type", "Content-Length", "Transfer-Encoding")


class Cookies(dict[str, str]):
    """Cookies by name. One that a server set goes back to its host only; others, to whom a request is made for."""

    def __init__(self, given: Any = None, hosts: Mapping[str, str] | None = None) -> None:
        super().__init__(given or {})
        self._hosts = dict(hosts or {})

    def take(self, host: str, headers: list[tuple[str, str]]) -> None:
        """Keep those that an answer sets."""
        for name, value in headers:
            if name.lower() == "set-cookie":
                key, mark, text = value.partition(";")[0].partition("=")
                key = key.strip()
                if not key or not mark:
                    continue
                if "max-age=0" in value.lower().replace(" ", ""):
                    self.pop(key, None)
                else:
                    self[key] = text.strip()
                    self._hosts[key] = host

    def header_for(self, host: str, first: str) -> str:
        """What is sent to a host; ``""`` for nothing.

        Args:
            first: The host that the program named, where this one may be that of a redirect.
        """
        return "; ".join(f"{name}={value}" for name, value in self.items() if self._hosts.get(name, first) == host)

    def and_those_of(self, given: Any) -> "Cookies":
        """A copy with more."""
        copy = Cookies(self, self._hosts)
        for name, value in dict(given or {}).items():
            copy[name] = value
            copy._hosts.pop(name, None)
        return copy

    def learn(self, hops: "list[HttpExchange]") -> None:
        """Keep those that came with some answers."""
        for hop in hops:
            for name, value in hop.cookies.items():
                self[name] = value
                self._hosts[name] = urlsplit(hop.url).hostname or ""

    def set(self, name: str, value: str, **_: Any) -> None:
        """Keep one."""
        self[name] = value

    def get_dict(self) -> dict[str, str]:
        """All of them."""
        return dict(self)


@dataclass
class HttpExchange:
    """One request and its answer."""

    method: str
    url: str
    sent: Headers
    body: bytes
    status: int
    headers: Headers
    content: bytes
    seconds: float
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The usual phrase for the status; ``""`` if there is none."""
        return http.client.responses.get(self.status, "")

    @property
    def target(self) -> str | None:
        """Where it redirects to, if it does."""
        location = self.headers.get("location")
        if self.status not in _REDIRECTS or location is None:
            return None
        return urldefrag(urljoin(self.url, location))[0]


@dataclass
class SendOptions:
    """How one request is to be sent."""

    connect: float | None = None
    read: float | None = None
    verify: bool | None = None
    redirects: int = 0


class TooMany(Exception):
    """There were more redirects than may be followed; the hops so far are its argument."""


def perform(
    method: str, url: str, headers: Headers, body: bytes, limits: SendOptions, cookies: Cookies, follow: bool
) -> list[HttpExchange]:
    """Send a request.

    Returns:
        All hops, the last one with the answer.

    Raises:
        Failed: One of them had no answer.
        TooMany: So.
    """
    hops: list[HttpExchange] = []
    headers = headers.copy()
    url, user = _without_user(url)
    if user is not None and "authorization" not in headers:
        headers["Authorization"] = user
    own_cookie = headers.get("cookie")
    cookies = cookies.and_those_of(None)
    first = urlsplit(url).hostname or ""
    while True:
        host = urlsplit(url).hostname or ""
        cookie = "; ".join(filter(None, (own_cookie, cookies.header_for(host, first))))
        if cookie:
            headers["Cookie"] = cookie
        began = time.monotonic()
        answer = send(
            method,
            url,
            list(headers.items()),
            body,
            connect=limits.connect,
            read=limits.read,
            verify=limits.verify,
        )
        got = Headers(answer.headers)
        came = Cookies()
        came.take(host, answer.headers)
        cookies.take(host, answer.headers)
        hop = HttpExchange(
            method, url, headers.copy(), body, answer.status, got, answer.body, time.monotonic() - began, dict(came)
        )
        hops.append(hop)
        target = hop.target if follow else None
        if target is None:
            return hops
        if len(hops) > limits.redirects:
            raise TooMany(hops)
        headers = headers.copy()
        headers.pop("cookie", None)
        if _changes(method, hop.status):
            method, body = "GET", b""
            for name in _OF_BODIES:
                headers.pop(name, None)
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            headers.pop("authorization", None)
            own_cookie = None
        url = target


def basic(user: Any, password: Any) -> str:
    """The Authorization header of a user."""
    return "Basic " + base64.b64encode(_bytes(user) + b":" + _bytes(password)).decode()


def authorized(auth: Any, headers: Headers, request: Callable[[], Any]) -> None:
    """Put what ``auth=`` says into the headers: a pair, or something that is called with the request."""
    if auth is None:
        return
    if isinstance(auth, (tuple, list)) and len(auth) == 2:
        headers["Authorization"] = basic(*auth)
    elif callable(auth):
        made = auth(request())
        more = getattr(made, "headers", None)
        if isinstance(more, Mapping):
            headers.update(more)


def escaped(url: str) -> str:
    """The address with what may not stand in one escaped."""
    return quote(url.strip(), safe="!#$%&'()*+,/:;=?@[]~")


def _changes(method: str, status: int) -> bool:
    return (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")


def _without_user(url: str) -> tuple[str, str | None]:
    parts = urlsplit(url)
    user, mark, host = parts.netloc.rpartition("@")
    if not mark:
        return url, None
    name, _, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=host)), basic(unquote(name), unquote(password))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


__all__ = [
    "Cookies",
    "ExchangeFailed",
    "HttpExchange",
    "SendOptions",
    "TooMany",
    "authorized",
    "basic",
    "escaped",
    "perform",
]
