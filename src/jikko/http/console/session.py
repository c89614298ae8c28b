"""Sign-in and sign-out; tokens of the console, and the audit log."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType, field

from jikko import __version__
from jikko.concurrency.rate_limit import RequestRate
from jikko.console.console_access import Visitor
from jikko.console.console_service import Console
from jikko.dify.bodies import body_from
from jikko.errors import InvalidParam, TooManyRequests
from jikko.http.bodies.reading import SMALL_BYTES
from jikko.http.console.console_queries import Limit
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
from jikko.http.request_fields import Id, checked, must
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response, no_content
from jikko.ports.stores.audit_store import AuditFilter
from jikko.repositories.console_store import SCOPES, ConsoleToken, Role, Scope
from jikko.values import Json, Moment, Uuid

_PER_MINUTE: Final = 10
"""Sign-in attempts per client address."""

_Text = Annotated[str | UnsetType, Meta(extra=must("must be a text"))]


class SignIn(Struct):
    """Credentials: one of the two."""

    token: _Text = UNSET
    ticket: _Text = UNSET


class Session(Struct):
    """Signed-in visitor."""

    role: Role
    name: str
    scopes: Annotated[list[Scope], Meta(description="Allowed scopes; write access implies read access.")]
    expires_at: Annotated[Moment, Meta(description="0: never, for tokens of scripts.")]


class ServerInfo(Struct):
    version: str
    now: Moment
    public_url: str


class Features(Struct):
    chat: bool
    shares: Annotated[bool, Meta(description="Whether runs can be shared by links.")]


class CurrentSession(Session):
    """Session and server."""

    server: ServerInfo
    features: Features


class AttemptRate(Struct, eq=False):
    """Rate limit of attempts by address, across all processes of a cluster."""

    count: Callable[[bytes, int], Awaitable[int]]
    """See ``Cluster.count``."""
    what: str = "sign-in"
    _here: RequestRate = field(default_factory=lambda: RequestRate(_PER_MINUTE))
    """Local rate limit, which also holds while other processes are unreachable."""

    async def take(self, request: Request) -> None:
        """Raises ``TooManyRequests``: too many attempts in the last minute."""
        client = request.scope.get("client")
        key = f"{self.what} {client[0] if client else ''}".encode("utf-8", "replace")
        if wait := await self.count(key, _PER_MINUTE) or self._here.count(key):
            raise TooManyRequests(
                f"Too many {self.what} attempts. Try again in {wait} s: the limit is {_PER_MINUTE} a minute.",
                retry_after=wait,
            )


def session_operations(gate: VisitorGate) -> list[Operation]:
    """Return the operations of signing in and out, which work without a session."""
    rate = AttemptRate(gate.console.count)

    async def sign_in(request: Request, console: Console) -> SendableResponse:
        """Sign in.

        By a token, or by the ticket of a link, valid once.
        """
        await rate.take(request)
        body = checked(await request.json(largest=SMALL_BYTES), SignIn)
        if isinstance(body.token, str) == isinstance(body.ticket, str):
            raise InvalidParam("Either token or ticket is required.")
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
    """Read the signed-in visitor and the server information."""
    api, visitor = call.request.api, call.visitor
    server = ServerInfo(__version__, api.clock(), call.console.public_url)
    features = Features(chat=True, shares=call.console.shares.is_on)
    return body_from(_session(visitor), CurrentSession, server=server, features=features)


async def sign_out(request: Request, console: Console) -> SendableResponse:
    """Sign out."""
    if cookie := cookie_of(request):
        await console.access.leave(cookie)
    answer = no_content()
    answer.headers.append(set_cookie(request, ""))
    return answer


def _session(visitor: Visitor) -> Session:
    return Session(visitor.role, visitor.name, sorted(visitor.scopes), visitor.expires_at)


class NewToken(Struct):
    name: Annotated[str, Meta(extra=must("must be a text of 1 to 100 characters"))]
    role: Annotated[Role, Meta(extra=must("must be 'operator' or 'viewer'"))] = "operator"
    scopes: Annotated[
        list[Scope] | None,
        Meta(
            description="Scopes, instead of those of the role; write access implies read access. Limited to the scopes "
            "of the token that creates it.",
            extra=must(f"must be a list of scopes: {', '.join(get_args(Scope))}"),
        ),
    ] = None
    expires_at: Annotated[
        float | None,
        Meta(
            description="Seconds since the Unix epoch; default: never, or with the token that creates it.",
            extra=must("must be a time: seconds since the Unix epoch"),
        ),
    ] = None


class Token(Struct):
    id: Uuid
    name: str
    role: Role
    hint: str
    created_at: Moment
    used_at: Moment | None
    scopes: Annotated[list[Scope], Meta(description="Scopes; write access implies read access.")]
    expires_at: Annotated[Moment | None, Meta(description="null: never.")]
    token: Annotated[str | UnsetType, Meta(description="The token itself, only when created.")] = UNSET


@VisitorRoute("GET", "tokens", scope="tokens:write")
async def list_tokens(call: ConsoleRequest) -> list[Token]:
    """List all tokens, oldest first."""
    return [_token_body(entry) for entry in await call.console.access.tokens()]


@VisitorRoute("POST", "tokens", status=201, scope="tokens:write")
async def make_token(call: ConsoleRequest, body: NewToken) -> Token:
    """Create a token, which is shown once."""
    entry, token = await call.console.access.new_token(
        body.name, body.role, scopes=body.scopes, expires_at=body.expires_at, maker=call.visitor
    )
    made = _token_body(entry, token)
    call.note("made token", f"{entry.name} ({entry.role})", after=_noted(made))
    return made


@VisitorRoute("DELETE", "tokens/{token_id}", (404,), scope="tokens:write")
async def revoke_token(call: ConsoleRequest) -> None:
    """Revoke a token, and end its sessions."""
    token_id, access = call.request.path_params["token_id"].lower(), call.console.access
    before = next((_noted(_token_body(entry)) for entry in await access.tokens() if entry.id == token_id), None)
    await access.revoke(token_id)
    call.note("revoked token", token_id, before=before)


def _noted(token: Token) -> Json:
    return {name: getattr(token, name) for name in ("id", "name", "role", "scopes", "expires_at")}


def _token_body(entry: ConsoleToken, token: str | UnsetType = UNSET) -> Token:
    scopes = sorted(SCOPES[entry.role] if entry.scopes is None else entry.scopes)
    return Token(
        entry.id, entry.name, entry.role, entry.hint, entry.created_at, entry.used_at, scopes, entry.expires_at, token
    )


class AuditRecord(Struct):
    """Audit entry of a change."""

    id: Uuid
    at: Moment
    actor: Annotated[str, Meta(description="Name of a token or session, or of a user of the machine.")]
    source: Annotated[str, Meta(description="ID of the token, or empty.")]
    via: Literal["api", "console", "cli"]
    action: Annotated[str, Meta(description="`operationId`, or command.")]
    what: str
    app_id: Uuid | None
    before: Annotated[Json, Meta(description="Old value, secrets masked, or null.")]
    after: Annotated[Json, Meta(description="New value, secrets masked, or null.")]


class AuditList(Struct):
    """Page of the audit log, newest first."""

    data: list[AuditRecord]
    next: str | None


class AuditPage(Struct):
    """Filter of the audit log."""

    app: Annotated[Id | None, Meta(description="ID of an app, possibly deleted.")] = None
    actor: Annotated[str, Meta(description="Author of the changes, exact match.")] = ""
    action: Annotated[str, Meta(description="Operation or command, exact match.")] = ""
    after: Annotated[float, Meta(ge=0, description="Earliest time, in seconds since the Unix epoch.")] | None = None
    before: Annotated[float, Meta(ge=0, description="Latest time.")] | None = None
    cursor: Annotated[Id | None, Meta(description="Cursor from the previous page's `next`.")] = None
    limit: Limit = 50


@VisitorRoute("GET", "audit", (400, 503), scope="audit:read")
async def list_audit(call: ConsoleRequest, asked: AuditPage) -> AuditList:
    """List changes made by this API, the console and commands, newest first."""
    wanted = AuditFilter(
        app_ids=None if asked.app is None else (asked.app,),
        actor=asked.actor or None,
        action=asked.action or None,
        since=asked.after,
        until=asked.before,
        behind=asked.cursor,
    )
    found = await call.request.api.audit().entries(wanted, limit=asked.limit + 1)
    page = found[: asked.limit]
    following = page[-1].id if len(found) > asked.limit else None
    return AuditList([body_from(entry, AuditRecord) for entry in page], following)
