"""The way of every request of the console: the host, who it is from, whether that may be, and the answer's form; and
the routes of those who have signed in.
"""

import gzip
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import asdict

from jikko.concurrency.off_the_loop import off_the_loop
from jikko.console.access import Visitor
from jikko.console.service import Console
from jikko.errors import Forbidden, Unauthorized
from jikko.http.console.entry.cookies import cookie_of
from jikko.http.console.entry.guarded import guarded
from jikko.http.console.entry.origins import require_host, require_own_page
from jikko.http.operation import Endpoint, Handler, Operation
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse
from jikko.http.sse import EventStream

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

    def note(self, did: str, what: str) -> None:
        """Keep in the server's log who did something."""
        log.info("%s %s by %s (%s)", did, what, self.visitor.name, self.visitor.role)


ConsoleHandler: TypeAlias = Callable[[ConsoleRequest], Awaitable[SendableResponse]]
OpenHandler: TypeAlias = Callable[[Request, Console], Awaitable[SendableResponse]]
Answers: TypeAlias = Mapping[int, type[Struct] | str]

API: Final = "/console/api"
NOTHING: Final[Answers] = {204: "application/json"}
STREAM: Final[Answers] = {200: "text/event-stream"}


class ConsoleOperation(Struct, frozen=True):
    """An operation for those who have signed in."""

    route: "VisitorRoute"
    handler: ConsoleHandler


class VisitorRoute(Endpoint, frozen=True):
    """An endpoint for those who have signed in, as the decorator that makes an operation of its handler.

    The path is below ``/console/api/``.
    """

    operators: bool = False
    """Whether viewers are refused."""

    def __call__(self, handler: ConsoleHandler) -> ConsoleOperation:
        """The operation."""
        return ConsoleOperation(self, handler)


class VisitorGate:
    """Makes handlers of operations of handlers of the console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def for_visitors(self, handler: ConsoleHandler, *, operators: bool) -> Handler:
        """A handler that only sees requests of those who have signed in.

        Args:
            operators: Whether viewers are refused.
        """

        @wraps(handler)
        async def handle(request: Request) -> SendableResponse:
            console = self.console
            require_host(request, console.public_url, console.host)
            visitor = await self._visitor(request)
            if operators and not visitor.is_operator:
                raise Forbidden(f"{visitor.name} may look, and not do that: the role is viewer.", code="operators_only")
            answer = await handler(ConsoleRequest(request, visitor, console))
            if isinstance(answer, EventStream):
                answer.through(
                    lambda pieces: guarded(pieces, lambda: self._visitor(request, uses=False), request.api.clock)
                )
            return await compressed(request, answer)

        return handle

    def for_all(self, handler: OpenHandler, *, changes: bool = False) -> Handler:
        """A handler that sees all requests that come over a host of ours.

        Args:
            changes: Whether only the console's own page may send them.
        """

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
            self._operation(found.route, found.handler)
            for module in modules
            for found in vars(module).values()
            if isinstance(found, ConsoleOperation) and found.handler.__module__ == module.__name__
        ]

    def _operation(self, route: VisitorRoute, handler: ConsoleHandler) -> Operation:
        fields = asdict(route)
        operators = fields.pop("operators")
        fields |= {"path": f"{API}/{route.path}", "tag": "Console", "key": "console"}
        return Operation(handler=self.for_visitors(handler, operators=operators), **fields)

    async def _visitor(self, request: Request, *, uses: bool = True) -> Visitor:
        """Who a request is from.

        Args:
            uses: Whether a session counts as used by it: not by what a stream sends that was opened once.

        Raises:
            Unauthorized: There is no token and no session.
            Forbidden: A page of another site sent it, with the cookie of a browser.
        """
        scheme, _, token = (request.header(b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.console.access.by_token(token.strip())
        # Another scheme is for a proxy in front, which hands on what browsers send it.
        if request.scope["method"] not in _READING:
            require_own_page(request, self.console.public_url)
        cookie = cookie_of(request)
        visitor = await self.console.access.by_cookie(cookie, uses=uses) if cookie else None
        if visitor is None:
            no_token = "The header Authorization is no `Bearer jko_…`. " if scheme else ""
            raise Unauthorized(
                f"{no_token}You have not signed in, or the session is over. `jikko console` prints a link."
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
    answer.body = _gzipped(body) if len(body) < _LARGE else await off_the_loop(_gzipped, body, queue="records")
    answer.headers[0] = (b"content-length", b"%d" % len(answer.body))
    answer.headers.append((b"content-encoding", b"gzip"))
    return answer


def _gzipped(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)
