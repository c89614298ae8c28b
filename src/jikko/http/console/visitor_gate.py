"""Gate of the console: host check, authentication, authorisation and answer format; and routes of signed-in
visitors."""

import gzip
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from http.cookies import CookieError, SimpleCookie
from types import ModuleType
from typing import Final, TypeAlias, cast
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from jikko.concurrency.run_in_thread import run_in_thread
from jikko.console.console_access import SESSION_SECONDS, Visitor
from jikko.console.console_service import Console
from jikko.errors import Forbidden, JikkoError, StoreUnavailable, Unauthorized
from jikko.http.operation import Answers, DeclaredHandler, DeclaredRoute, Handler, Operation
from jikko.http.requests import Request
from jikko.http.responses import EventStream, Response, SendableResponse
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.ports.stores.audit_store import AuditEntry
from jikko.repositories.console_store import Scope
from jikko.values import Json

NAME: Final = "jikko_console"
"""Session cookie."""
_SECURE: Final = "__Secure-"


def cookie_of(request: Request, name: str = NAME) -> str:
    """Return a cookie of the request, or ``""``."""
    name = _name_here(request, name)
    for header, value in request.scope["headers"]:
        if header == b"cookie":
            try:
                morsel = SimpleCookie(str(value, "latin-1")).get(name)
            except CookieError:
                continue
            if morsel is not None:
                return morsel.value
    return ""


def set_cookie(
    request: Request, value: str, *, name: str = NAME, below: str = "/console", seconds: float = SESSION_SECONDS
) -> tuple[bytes, bytes]:
    """Make the header that sets a session cookie; an empty value deletes it."""
    name = _name_here(request, name)
    age = int(seconds) if value else 0
    text = f"{name}={value}; Path={request.root_path}{below}; Max-Age={age}; HttpOnly; SameSite=Strict"
    return b"set-cookie", (text + ("; Secure" if name.startswith(_SECURE) else "")).encode("latin-1")


def _name_here(request: Request, name: str) -> str:
    return f"{_SECURE}{name}" if request.base_url.startswith("https:") else name


log = logging.getLogger("jikko.console")

_WORTH_IT: Final = 1000
"""Smallest compressed body, in bytes."""
_LARGE: Final = 256_000
"""Smallest body compressed in a thread, in bytes."""
_READING: Final = ("GET", "HEAD")


class ConsoleRequest(Struct, frozen=True):
    """Authorised request."""

    request: Request
    visitor: Visitor
    console: Console

    changes: list[AuditEntry] = field(default_factory=list)

    def note(self, did: str, what: str, *, app: str | None = None, before: Json = None, after: Json = None) -> None:
        """Record a change for the log and the audit.

        Args:
            app: App ID.
            before: The old value, secrets masked; ``after``: the new one.
        """
        log.info("%s %s by %s (%s)", did, what, self.visitor.name, self.visitor.role)
        operation = self.request.operation
        assert operation is not None
        self.changes.append(
            AuditEntry(
                id=new_id(),
                at=self.request.api.clock(),
                actor=self.visitor.name,
                source=self.visitor.source,
                via="console" if operation.path.startswith(PAGE_API) else "api",
                action=operation.handler.__name__,
                what=f"{did} {what}",
                app_id=app,
                before=before,
                after=after,
            )
        )

    async def keep_changes(self) -> None:
        """Save the changes as audit entries. If the store fails, they are logged instead: they were made."""
        for change in self.changes:
            try:
                await self.request.api.audit().add(change)
            except StoreUnavailable as error:
                log.error("no audit entry of: %s by %s: %s", change.what, change.actor, error)


ConsoleHandler: TypeAlias = Callable[[ConsoleRequest], Awaitable[SendableResponse]]
FindVisitor: TypeAlias = Callable[..., Awaitable[Visitor]]
"""Authenticator of requests; see ``VisitorGate._visitor``."""
OpenHandler: TypeAlias = Callable[[Request, Console], Awaitable[SendableResponse]]


API: Final = "/api/v1"
"""Prefix of operations for scripts."""
PAGE_API: Final = "/console/api"
"""Prefix of the same operations for the page: its cookie is not sent to other addresses."""
NOTHING: Final[Answers] = {204: "application/json"}
STREAM: Final[Answers] = {200: "text/event-stream"}


class ConsoleOperation(Struct, frozen=True):
    """Operation for signed-in visitors."""

    route: "VisitorRoute"
    handler: ConsoleHandler


class VisitorRoute(DeclaredRoute, frozen=True, kw_only=True):
    """Endpoint for signed-in visitors, as a decorator of its handler.

    The path is below ``API``, and also served below ``PAGE_API``.
    """

    scope: Scope | None
    """Required scope of the token; ``None``: any token."""

    def __call__(self, handler: DeclaredHandler) -> ConsoleOperation:
        route, answered = self.declared(handler)

        @wraps(handler)
        async def handle(call: ConsoleRequest) -> SendableResponse:
            return await answered(call.request, call)

        return ConsoleOperation(route, handle)


class VisitorGate:
    """Wraps console handlers as handlers of operations."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def for_visitors(self, handler: ConsoleHandler, scope: Scope | None, of: FindVisitor | None = None) -> Handler:
        """Wrap a handler to require sign-in and a scope. ``of``: Authenticator other than token and session."""
        find = of or self._visitor

        @wraps(handler)
        async def handle(request: Request) -> SendableResponse:
            console = self.console
            visitor = await find(request)
            if not visitor.may(scope):
                raise Forbidden(f"{visitor.name} may not do that: it lacks the scope {scope}.", code="missing_scope")
            call = ConsoleRequest(request, visitor, console)
            try:
                answer = await handler(call)
            finally:
                await call.keep_changes()
            if isinstance(answer, EventStream):
                answer.through(lambda pieces: guarded(pieces, lambda: find(request, uses=False), request.api.clock))
            return await compressed(request, answer)

        return handle

    def for_all(self, handler: OpenHandler, *, changes: bool = False) -> Handler:
        """Wrap a handler to require one of our hosts only.
        ``changes``: Whether only the console's own page may send requests."""

        @wraps(handler)
        async def handle(request: Request) -> SendableResponse:
            console = self.console
            require_host(request, console.public_url, console.host)
            if changes:
                require_own_page(request, console.public_url)
            return await handler(request, console)

        return handle

    def operations_in(self, *modules: ModuleType) -> list[Operation]:
        """Return the operations for signed-in visitors in modules, in source order."""
        return [
            operation
            for module in modules
            for found in vars(module).values()
            if isinstance(found, ConsoleOperation) and found.handler.__module__ == module.__name__
            for operation in self._operations(found.route, found.handler)
        ]

    def _operations(self, route: VisitorRoute, handler: ConsoleHandler) -> tuple[Operation, Operation]:
        fields = asdict(route)
        tag = route.path.partition("/")[0].capitalize()
        fields |= {"path": f"{API}/{route.path}", "tag": tag, "key": "console"}
        operation = Operation(handler=self.for_visitors(handler, route.scope), **fields)
        return operation, replace(operation, path=f"{PAGE_API}/{route.path}", described=False)

    async def _visitor(self, request: Request, *, uses: bool = True) -> Visitor:
        """Authenticate a request. ``uses``: Whether it extends the session; not for chunks of an open stream.
        Raises ``Unauthorized``: neither token nor session; ``WrongHost``: no token, and not one of our hosts, since
        pages have cookies rather than tokens; ``Forbidden``: from a page of another site, with a browser's cookie."""
        scheme, _, token = (request.header(b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.console.access.by_token(token.strip())
        require_host(request, self.console.public_url, self.console.host)
        # Another scheme is meant for a proxy in front, which forwards what browsers send it.
        cookie = cookie_of(request)
        if cookie and request.scope["method"] not in _READING:
            require_own_page(request, self.console.public_url)
        visitor = await self.console.access.by_cookie(cookie, uses=uses) if cookie else None
        if visitor is None:
            no_token = "The Authorization header is not `Bearer jko_…`. " if scheme else ""
            raise Unauthorized(
                f"{no_token}Send `Authorization: Bearer jko_…`; `jikko console tokens new NAME` makes a token. In a "
                "browser: you have not signed in, or the session is over; `jikko console` prints a link."
            )
        return visitor


async def compressed(request: Request, answer: SendableResponse) -> SendableResponse:
    """Compress a complete answer, if the client accepts it."""
    if not isinstance(answer, Response) or len(answer.body) <= _WORTH_IT or answer.status != 200:
        return answer
    answer.headers.append((b"vary", b"accept-encoding"))
    if "gzip" not in (request.header(b"accept-encoding") or ""):
        return answer
    body = answer.body
    answer.body = _gzipped(body) if len(body) < _LARGE else await run_in_thread(_gzipped, body, queue="records")
    answer.headers[0] = (b"content-length", b"%d" % len(answer.body))
    answer.headers.append((b"content-encoding", b"gzip"))
    return answer


def _gzipped(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


ASKED_EVERY: Final = 1.0
"""Recheck interval in seconds, during which a revoked token still receives events."""


async def guarded(
    pieces: AsyncIterator[bytes], still_in: Callable[[], Awaitable[object]], clock: Clock
) -> AsyncIterator[bytes]:
    """Yield a stream while its listener stays authorised. ``still_in``: Raises a ``JikkoError`` once the session has
    ended, the token was revoked, or the check fails."""
    asked = clock()
    async with aclosing(cast(AsyncGenerator[bytes, None], pieces)):
        async for piece in pieces:
            now = clock()
            if not 0 <= now - asked < ASKED_EVERY:
                try:
                    await still_in()
                except JikkoError:
                    return
                asked = now
            yield piece


_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HEADER: Final = b"x-jikko-console"
"""Pages of other origins cannot send it: CORS allows them no headers here."""
_PORTS: Final = {"http": ":80", "https": ":443"}
"""Default ports, which browsers omit."""


class WrongHost(JikkoError):
    """The console does not answer to the request's host."""

    code = "wrong_host"
    status = 421


def require_host(request: Request, public_url: str, listens_on: str) -> None:
    """Prevent DNS rebinding. ``listens_on``: Host in the settings. Raises ``WrongHost``."""
    host = (request.header(b"host") or "").lower()
    name = _name_of(host)
    here = request.scope.get("server") or ("", 0)
    if not name or not (
        name in _LOOPBACK
        or name in (_bracketed(str(here[0]).lower()), _bracketed(listens_on.lower()))
        or host == urlsplit(public_url).netloc.lower()
    ):
        raise WrongHost(
            f"The console does not answer to the host {host!r}. Use an address of the server, or set JIKKO_PUBLIC_URL "
            "to the address under which it is reached."
        )


def require_own_page(request: Request, public_url: str) -> None:
    """Prevent CSRF: requests of other sites' pages with a browser's cookie.

    The console's page has the request's own origin, or that of the public URL. For the public URL's host, its scheme
    counts; otherwise that of the request, which only a trusted proxy can set. Raises ``Forbidden``.
    """
    site, origin = request.header(b"sec-fetch-site"), request.origin
    public = _origin_of(public_url)
    here = _origin_of(f"{request.scope['scheme']}://{request.header(b'host') or ''}")
    own = {public} if _host_of(here) == _host_of(public) else {public, here}
    if (
        request.header(_HEADER) != "1"
        or site not in (None, "same-origin")
        or (origin is not None and _origin_of(str(origin, "latin-1")) not in own - {None})
    ):
        raise Forbidden(
            "The request does not come from a page of this console. It needs the header X-Jikko-Console: 1 and, where "
            "they are sent, Sec-Fetch-Site: same-origin and an Origin that is this server.",
            code="wrong_origin",
        )


def _origin_of(url: str) -> str | None:
    """Return a URL's origin as browsers write it, or ``None``."""
    scheme, _, rest = url.lower().partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host.removesuffix(_PORTS[scheme])}" if host and scheme in _PORTS else None


def _host_of(origin: str | None) -> str | None:
    return None if origin is None else origin.partition("://")[2]


def _name_of(host: str) -> str:
    """Return a host without its port; ``""`` if malformed."""
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        return name + bracket if bracket and (not port or port[1:].isdigit()) else ""
    name, colon, port = host.partition(":")
    return name if not colon or port.isdigit() else ""


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
