"""Signing in and out."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko import __version__
from jikko.concurrency.rate_limit import RequestRate
from jikko.console.console_access import Visitor
from jikko.console.console_service import Console
from jikko.errors import InvalidParam, TooManyRequests
from jikko.http.bodies.reading import SMALL_BYTES
from jikko.http.console.visitor_gate import (
    NOTHING,
    PAGE_API,
    ConsoleRequest,
    VisitorGate,
    VisitorRoute,
    cookie_of,
    log,
    set_cookie,
)
from jikko.http.operation import Operation, Route
from jikko.http.request_fields import checked, must
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response, no_content
from jikko.repositories.console_store import Role, Scope
from jikko.values import Moment

_PER_MINUTE: Final = 10
"""Times that one address may try to sign in."""

_Text = Annotated[str | UnsetType, Meta(extra=must("must be a text"))]


class SignIn(Struct):
    """What opens the console: one of the two."""

    token: _Text = UNSET
    ticket: _Text = UNSET


class Session(Struct):
    """Who has signed in."""

    role: Role
    name: str
    scopes: Annotated[list[Scope], Meta(description="What is allowed; who may write may read the same.")]
    expires_at: Annotated[Moment, Meta(description="0: never, of a token of a script.")]


class ServerInfo(Struct):
    """What this server is."""

    version: str
    now: Moment
    public_url: str


class Features(Struct):
    """What this server has."""

    chat: bool


class CurrentSession(Session):
    """Who has signed in, and where."""

    server: ServerInfo
    features: Features


class SignInRate:
    """How often an address may try to sign in, at all processes that serve together."""

    def __init__(self, count: Callable[[bytes, int], Awaitable[int]]) -> None:
        """``count``: see ``Cluster.count``."""
        self._count = count
        self._here = RequestRate(_PER_MINUTE)
        """What this process has let through: it holds also while the others cannot be reached."""

    async def take(self, address: str) -> None:
        """Raises ``TooManyRequests``: it has tried too often in the last minute."""
        key = b"sign-in " + address.encode("utf-8", "replace")
        if wait := await self._count(key, _PER_MINUTE) or self._here.count(key):
            raise TooManyRequests(
                f"Too many tries to sign in. Try again in {wait} s: there may be {_PER_MINUTE} a minute.",
                retry_after=wait,
            )


def session_operations(gate: VisitorGate) -> list[Operation]:
    """Signing in and out, before a visitor is known."""
    rate = SignInRate(gate.console.count)

    async def sign_in(request: Request, console: Console) -> SendableResponse:
        """Sign in.

        By a token, or by the ticket of a link, which is used up.
        """
        client = request.scope.get("client")
        await rate.take(client[0] if client else "")
        body = checked(await request.json(largest=SMALL_BYTES), SignIn)
        if isinstance(body.token, str) == isinstance(body.ticket, str):
            raise InvalidParam("Either token or ticket must be given.")
        if isinstance(body.ticket, str):
            cookie, visitor = await console.access.enter_by_ticket(body.ticket)
        else:
            assert isinstance(body.token, str)
            cookie, visitor = await console.access.enter_by_token(body.token.strip())
        log.info("sign-in by %s (%s)", visitor.name, visitor.role)
        answer = json_response(_session(visitor))
        answer.headers.append(set_cookie(request, cookie))
        return answer

    session = partial(Route, path=f"{PAGE_API}/session", tag="Session", open=True)
    return [
        session("POST", answers={200: Session}, errors=(401, 403, 421, 429), body=SignIn)(
            gate.for_all(sign_in, changes=True)
        ),
        session("DELETE", answers=NOTHING, errors=(403, 421))(gate.for_all(sign_out, changes=True)),
    ]


@VisitorRoute("GET", "session", scope=None)
async def read_session(call: ConsoleRequest) -> CurrentSession:
    """Who has signed in, and what this server is."""
    api, visitor = call.request.api, call.visitor
    return CurrentSession(
        visitor.role,
        visitor.name,
        sorted(visitor.scopes),
        visitor.expires_at,
        ServerInfo(__version__, api.clock(), call.console.public_url),
        Features(chat=True),
    )


async def sign_out(request: Request, console: Console) -> SendableResponse:
    """Sign out."""
    if cookie := cookie_of(request):
        await console.access.leave(cookie)
    answer = no_content()
    answer.headers.append(set_cookie(request, ""))
    return answer


def _session(visitor: Visitor) -> Session:
    return Session(visitor.role, visitor.name, sorted(visitor.scopes), visitor.expires_at)
