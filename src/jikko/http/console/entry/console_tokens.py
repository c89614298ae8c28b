"""Tokens of the console."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.http.body_fields import checked, must
from jikko.http.console.visitor_gate import NOTHING, ConsoleRequest, VisitorRoute
from jikko.http.responses import SendableResponse, json_response, no_content
from jikko.ports.stores.console_store import ConsoleToken, Role
from jikko.values import Moment, Uuid


class NewToken(Struct):
    """A token to be made."""

    name: Annotated[str, Meta(extra=must("must be a text of 1 to 100 characters"))]
    role: Annotated[Role, Meta(extra=must("must be 'operator' or 'viewer'"))] = "operator"


class Token(Struct):
    """A token of the console."""

    id: Uuid
    name: str
    role: Role
    hint: str
    created_at: Moment
    used_at: Moment | None
    token: Annotated[str | UnsetType, Meta(description="The token itself: once, when it is made.")] = UNSET


class Tokens(Struct):
    """All tokens."""

    data: list[Token]


@VisitorRoute("GET", "tokens", {200: Tokens}, operators=True)
async def list_tokens(call: ConsoleRequest) -> SendableResponse:
    """All tokens, oldest first."""
    return json_response(Tokens([_token_body(entry) for entry in await call.console.access.tokens()]))


@VisitorRoute("POST", "tokens", {201: Token}, operators=True, body=NewToken)
async def make_token(call: ConsoleRequest) -> SendableResponse:
    """Make a token, which is shown once."""
    body = checked(await call.request.json(), NewToken)
    entry, token = await call.console.access.new_token(body.name, body.role)
    call.note("made token", f"{entry.name} ({entry.role})")
    return json_response(_token_body(entry, token), 201)


@VisitorRoute("DELETE", "tokens/{token_id}", NOTHING, (404,), operators=True)
async def revoke_token(call: ConsoleRequest) -> SendableResponse:
    """Remove a token, and end its sessions."""
    token_id = call.request.path_params["token_id"]
    await call.console.access.revoke(token_id)
    call.note("revoked token", token_id.lower())
    return no_content()


def _token_body(entry: ConsoleToken, token: str | UnsetType = UNSET) -> Token:
    return Token(entry.id, entry.name, entry.role, entry.hint, entry.created_at, entry.used_at, token)
