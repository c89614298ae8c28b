"""Listing, naming and deleting conversations. Source: docs/dify-behaviour.md, “Conversations and messages”."""

from functools import partial
from typing import Annotated, Any, Final, get_args

from msgspec import Meta, Struct

from jikko.apps.end_users import end_user
from jikko.dify.conversation_bodies import ConversationBody, ConversationPage, Fresh, conversation_body
from jikko.errors import InvalidParam, NotFound
from jikko.http.operation import ChatRoute
from jikko.http.request_fields import AnyUser, Id, checked, must, queried
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response
from jikko.http.routes.conversations.turn_routes import asked_in_body, asked_in_query, flag, own_conversation
from jikko.ports.stores.messages import ConversationQuery, Order

_NAME_LENGTH: Final = 255


class ConversationFilter(Struct):
    """Which conversations are listed."""

    user: Annotated[str, Meta(description="Whose they are; by default those of requests without a user.")] = ""
    last_id: Annotated[Id, Meta(description="Begin behind this one.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="Default 20.")] = 20
    sort_by: Annotated[
        Order, Meta(description="Default -updated_at.", extra=must(f"must be one of {', '.join(get_args(Order))}"))
    ] = "-updated_at"


class NameRequest(Struct):
    """A name for a conversation."""

    user: Annotated[AnyUser, Meta(description="Whose conversation it is.")] = None
    name: Annotated[
        str | None, Meta(description="The name; not blank, at most 255 characters.", extra=must("must be a string"))
    ] = None
    auto_generate: Annotated[Any, Meta(description="Whether a model makes the name instead.")] = None


class OptionalUser(Struct):
    """Whose it is."""

    user: Annotated[AnyUser, Meta(description="By default that of requests without a user.")] = None


@ChatRoute("GET", "/v1/conversations", {200: ConversationPage}, (400, 404), query=ConversationFilter)
async def conversations(request: Request) -> SendableResponse:
    """List conversations of an end user."""
    app, user = await asked_in_query(request, anonymous=True)
    asked = queried(request.query, ConversationFilter)
    found = await request.api.conversations.conversations(
        ConversationQuery(
            app_id=app.id,
            end_user_id=end_user(app.id, user),
            order=asked.sort_by,
            after=asked.last_id,
            limit=asked.limit + 1,
        )
    )
    if found is None:
        raise NotFound("Last Conversation Not Exists.")
    fresh = fresh_of(request)
    page = [conversation_body(conversation, fresh) for conversation in found[: asked.limit]]
    return json_response(ConversationPage(asked.limit, len(found) > asked.limit, page))


@ChatRoute("DELETE", "/v1/conversations/{conversation_id}", {204: "application/json"}, (404, 503), body=OptionalUser)
async def delete_conversation(request: Request) -> SendableResponse:
    """Delete a conversation, with its messages and variables.

    What a run is still answering in it is sent to no client. Runs and files go by retention.
    """
    app, user, _ = await asked_in_body(request, anonymous=True)
    wanted = request.path_params["conversation_id"]
    if not await request.api.conversations.delete(app.id, end_user(app.id, user), wanted):
        raise NotFound("Conversation Not Exists.")
    return Response(b"", 204)


@ChatRoute("POST", "/v1/conversations/{conversation_id}/name", {200: ConversationBody}, (404, 503), body=NameRequest)
async def rename_conversation(request: Request) -> SendableResponse:
    """Name a conversation, or have a model make a name."""
    api = request.api
    app, user, body = await asked_in_body(request, anonymous=True)
    asked = checked(body, NameRequest)
    automatic = flag(asked.auto_generate, "auto_generate", default=False)
    name = (asked.name or "").replace("\x00", "")
    if not automatic and not name.strip():
        raise InvalidParam("name: is required when auto_generate is false")
    if not automatic and len(name) > _NAME_LENGTH:
        raise InvalidParam(f"name: must have at most {_NAME_LENGTH} characters")
    conversation = await own_conversation(request, app, user, request.path_params["conversation_id"])
    if automatic:
        first = await api.conversations.first_message(conversation.id)
        name = await api.chat.turns.title(app, "" if first is None else first.query)
    changed = await api.conversations.rename(app.id, conversation.id, name, at=api.clock())
    if changed is None:
        raise NotFound("Conversation Not Exists.")
    return json_response(conversation_body(changed, fresh_of(request)))


def fresh_of(request: Request) -> Fresh:
    """What renews addresses of files for the client of a request."""
    files, base_url = request.api.files, request.base_url
    return Fresh(partial(files.fresh, base_url=base_url), partial(files.fresh_text, base_url=base_url))
