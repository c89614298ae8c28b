"""The way of every request of the console: the host, who it is from, whether that may be, and the answer's form; and
the routes of those who have signed in.
"""

import gzip
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from http.cookies import CookieError, SimpleCookie
from types import ModuleType
from typing import Final, Protocol, TypeAlias, cast
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
"""Of the cookie of a session."""
_SECURE: Final = "__Secure-"


def cookie_of(request: Request, name: str = NAME) -> str:
    """The value that a request has sent; ``""`` for none."""
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
    """The header that has a browser keep a session; an empty value has it forget."""
    name = _name_here(request, name)
    age = int(seconds) if value else 0
    text = f"{name}={value}; Path={request.root_path}{below}; Max-Age={age}; HttpOnly; SameSite=Strict"
    return b"set-cookie", (text + ("; Secure" if name.startswith(_SECURE) else "")).encode("latin-1")


def _name_here(request: Request, name: str) -> str:
    return f"{_SECURE}{name}" if request.base_url.startswith("https:") else name


log = logging.getLogger("jikko.console")

_WORTH_IT: Final = 1000
"""Bytes of a body that is compressed."""
_LARGE: Final = 256_000
"""Bytes of a body that is compressed in a thread."""
_READING: Final = ("GET", "HEAD")


class ConsoleRequest(Struct, frozen=True):
    """A request that was let in."""

    request: Request
    visitor: Visitor
    console: Console

    changes: list[AuditEntry] = field(default_factory=list)

    def note(self, did: str, what: str, *, app: str | None = None, before: Json = None, after: Json = None) -> None:
        """Say that a change was made, for the server's log and the audit entries.

        Args:
            app: The id of the app.
            before: What was there, secrets masked; ``after``: what is.
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
        """Keep the changes as audit entries. What the record cannot take stands in the log: it was done."""
        for change in self.changes:
            try:
                await self.request.api.audit().add(change)
            except StoreUnavailable as error:
                log.error("no audit entry of: %s by %s: %s", change.what, change.actor, error)


ConsoleHandler: TypeAlias = Callable[[ConsoleRequest], Awaitable[SendableResponse]]
OpenHandler: TypeAlias = Callable[[Request, Console], Awaitable[SendableResponse]]


class FindVisitor(Protocol):
    """Finds who a request is from."""

    async def __call__(self, request: Request, *, uses: bool = True) -> Visitor:
        """See ``VisitorGate``. Raises a ``JikkoError`` for those who may not enter."""


API: Final = "/api/v1"
"""Below which scripts reach the operations."""
PAGE_API: Final = "/console/api"
"""Below which the page reaches the same ones: its cookie goes to no other address of the server."""
NOTHING: Final[Answers] = {204: "application/json"}
STREAM: Final[Answers] = {200: "text/event-stream"}


class ConsoleOperation(Struct, frozen=True):
    """An operation for those who have signed in."""

    route: "VisitorRoute"
    handler: ConsoleHandler


class VisitorRoute(DeclaredRoute, frozen=True, kw_only=True):
    """An endpoint for those who have signed in, as the decorator that makes an operation of its handler.

    The path is below ``API``, and served below ``PAGE_API`` as well.
    """

    scope: Scope | None
    """What its token has to have; ``None``: any token will do."""

    def __call__(self, handler: DeclaredHandler) -> ConsoleOperation:
        """The operation."""
        route, answered = self.declared(handler)

        @wraps(handler)
        async def handle(call: ConsoleRequest) -> SendableResponse:
            return await answered(call, call.request)

        return ConsoleOperation(route, handle)


class VisitorGate:
    """Makes handlers of operations of handlers of the console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def for_visitors(self, handler: ConsoleHandler, scope: Scope | None, of: "FindVisitor | None" = None) -> Handler:
        """A handler that only sees requests of those who have signed in and have a scope.
        ``of``: finds them otherwise than by token and session."""
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
        """A handler that sees all requests that come over a host of ours.
        ``changes``: whether only the console's own page may send them."""

        @wraps(handler)
        async def handle(request: Request) -> SendableResponse:
            console = self.console
            require_host(request, console.public_url, console.host)
            if changes:
                require_own_page(request, console.public_url)
            return await handler(request, console)

        return handle

    def operations_in(self, *modules: ModuleType) -> list[Operation]:
        """The operations for those who have signed in that modules have, in the order of their text."""
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
        """Who a request is from. ``uses``: whether a session counts as used by it: not by what a stream sends that was
        opened once. Raises ``Unauthorized``: there is no token and no session; ``WrongHost``: there is no token, and
        the host is none of ours: pages have cookies, and no tokens; ``Forbidden``: a page of another site sent it, with
        the cookie of a browser."""
        scheme, _, token = (request.header(b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.console.access.by_token(token.strip())
        require_host(request, self.console.public_url, self.console.host)
        # Another scheme is for a proxy in front, which hands on what browsers send it.
        cookie = cookie_of(request)
        if cookie and request.scope["method"] not in _READING:
            require_own_page(request, self.console.public_url)
        visitor = await self.console.access.by_cookie(cookie, uses=uses) if cookie else None
        if visitor is None:
            no_token = "The header Authorization is no `Bearer jko_…`. " if scheme else ""
            raise Unauthorized(
                f"{no_token}Send `Authorization: Bearer jko_…`; `jikko console tokens new NAME` makes a token. In a "
                "browser: you have not signed in, or the session is over; `jikko console` prints a link."
            )
        return visitor


async def compressed(request: Request, answer: SendableResponse) -> SendableResponse:
    """An answer in fewer bytes, if it is whole and the client takes it."""
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
"""Seconds for which the last answer holds: so long, a token that was revoked still hears what comes."""


async def guarded(
    pieces: AsyncIterator[bytes], still_in: Callable[[], Awaitable[object]], clock: Clock
) -> AsyncIterator[bytes]:
    """The pieces of a stream, until one is due that its listener may not have. ``still_in``: raises a ``JikkoError``
    for one whose session is over, whose token is gone, or whom nobody can tell."""
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
"""No page of another origin can send it: no such page is allowed any header here."""
_PORTS: Final = {"http": ":80", "https": ":443"}
"""Those that browsers leave out."""


class WrongHost(JikkoError):
    """The request names a host that the console does not answer to."""

    code = "wrong_host"
    status = 421


def require_host(request: Request, public_url: str, listens_on: str) -> None:
    """Keep out pages of names that were made to lead here (DNS rebinding).
    ``listens_on``: the host of the settings. Raises ``WrongHost``: it is none of ours."""
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
    """Keep out requests that pages of other sites make with the cookie of a browser.

    A page of the console is one of the request's own origin, or of the public URL. At a host that is in the public URL,
    the scheme of that holds; elsewhere that of the request, which a proxy tells only if it is a trusted one.
    Raises ``Forbidden``: it does not come from the console's own page."""
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
    """The origin of a URL as browsers write it; ``None`` for what has none."""
    scheme, _, rest = url.lower().partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host.removesuffix(_PORTS[scheme])}" if host and scheme in _PORTS else None


def _host_of(origin: str | None) -> str | None:
    return None if origin is None else origin.partition("://")[2]


def _name_of(host: str) -> str:
    """A host without its port; ``""`` for what is none."""
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        return name + bracket if bracket and (not port or port[1:].isdigit()) else ""
    name, colon, port = host.partition(":")
    return name if not colon or port.isdigit() else ""


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
