"""Tokens of the console."""

from typing import Annotated, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import must
from jikko.ports.stores.console_store import Role, Scope
from jikko.repositories.console_store import SCOPES, ConsoleToken, Role, Scope
from jikko.values import Json, Moment, Uuid


class NewToken(Struct):
    """A token to be made."""

    name: Annotated[str, Meta(extra=must("must be a text of 1 to 100 characters"))]
    role: Annotated[Role, Meta(extra=must("must be 'operator' or 'viewer'"))] = "operator"
    scopes: Annotated[
        list[Scope] | None,
        Meta(
            description="What it may do, in place of what its role may; who may write may read the same. It may have "
            "nothing that the token lacks that makes it.",
            extra=must(f"must be a list of scopes: {', '.join(get_args(Scope))}"),
        ),
    ] = None
    expires_at: Annotated[
        float | None,
        Meta(
            description="Seconds since the Unix epoch; by default never, or with the token that makes it.",
            extra=must("must be a time: seconds since the Unix epoch"),
        ),
    ] = None


class Token(Struct):
    """A token of the console."""

    id: Uuid
    name: str
    role: Role
    hint: str
    created_at: Moment
    used_at: Moment | None
    scopes: Annotated[list[Scope], Meta(description="What it may do; who may write may read the same.")]
    expires_at: Annotated[Moment | None, Meta(description="null: never.")]
    token: Annotated[str | UnsetType, Meta(description="The token itself: once, when it is made.")] = UNSET


class Tokens(Struct):
    """All tokens."""

    data: list[Token]


@VisitorRoute("GET", "tokens", scope="tokens:write")
async def list_tokens(call: ConsoleRequest) -> Tokens:
    """All tokens, oldest first."""
    return Tokens([_token_body(entry) for entry in await call.console.access.tokens()])


@VisitorRoute("POST", "tokens", status=201, scope="tokens:write")
async def make_token(call: ConsoleRequest, body: NewToken) -> Token:
    """Make a token, which is shown once."""
    entry, token = await call.console.access.new_token(
        body.name, body.role, scopes=body.scopes, expires_at=body.expires_at, maker=call.visitor
    )
    made = _token_body(entry, token)
    call.note("made token", f"{entry.name} ({entry.role})", after=_noted(made))
    return made


@VisitorRoute("DELETE", "tokens/{token_id}", (404,), scope="tokens:write")
async def revoke_token(call: ConsoleRequest) -> None:
    """Remove a token, and end its sessions."""
    token_id, access = call.request.path_params["token_id"].lower(), call.console.access
    before = next((_noted(_token_body(entry)) for entry in await access.tokens() if entry.id == token_id), None)
    await access.revoke(token_id)
    call.note("revoked token", token_id, before=before)


def _noted(token: Token) -> Json:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "scopes": [*token.scopes],
        "expires_at": token.expires_at,
    }


def _token_body(entry: ConsoleToken, token: str | UnsetType = UNSET) -> Token:
    scopes = sorted(SCOPES[entry.role] if entry.scopes is None else entry.scopes)
    return Token(
        entry.id, entry.name, entry.role, entry.hint, entry.created_at, entry.used_at, scopes, entry.expires_at, token
    )
