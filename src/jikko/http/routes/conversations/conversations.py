"""Listing, naming and deleting conversations. Source: Dify 1.15, spec/chatflow.md §6."""

from typing import Annotated, Any, Final, cast

from msgspec import Meta, Struct

from jikko.apps.end_users import end_user
from jikko.dify.conversation_bodies import ConversationPage, Fresh, conversation_body
from jikko.errors import InvalidParam, NotFound
from jikko.http.fields import AnyUser, checked, must
from jikko.http.requests import Request
from jikko.http.responses import Answer, Response, json_response
from jikko.http.routes.conversations.asking import asked_in_body, asked_in_query, own_conversation
from jikko.http.routes.conversations.turns import flag
from jikko.http.whole_numbers import whole_numbers
from jikko.ids import is_uuid
from jikko.ports.stores.conversation_store import ConversationQuery, Order

ORDERS: Final = ("created_at", "-created_at", "updated_at", "-updated_at")
_NAME_LENGTH: Final = 255


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


async def conversations(request: Request) -> Answer:
    """``GET /v1/conversations``: those of an end user, by default the last updated first."""
    query = request.query
    app, user = await asked_in_query(request, anonymous=True)
    limit = whole_numbers(query, {"limit": (20, 1, 100)})["limit"]
    order = query.get("sort_by") or "-updated_at"
    if order not in ORDERS:
        raise InvalidParam(f"sort_by: must be one of {', '.join(ORDERS)}")
    found = await request.api.conversations.conversations(
        ConversationQuery(
            app_id=app.id,
            end_user_id=end_user(app.id, user),
            order=cast(Order, order),
            after=uuid_of(query.get("last_id"), "last_id"),
            limit=limit + 1,
        )
    )
    if found is None:
        raise NotFound("Last Conversation Not Exists.")
    fresh = fresh_of(request)
    page = [conversation_body(conversation, fresh) for conversation in found[:limit]]
    return json_response(ConversationPage(limit, len(found) > limit, page))


async def delete_conversation(request: Request) -> Answer:
    """``DELETE /v1/conversations/{conversation_id}``: with its messages and variables.

    What a run is still answering in it is sent to no client. Runs and files go by retention.
    """
    app, user, _ = await asked_in_body(request, anonymous=True)
    wanted = request.path_params["conversation_id"]
    if not await request.api.conversations.delete(app.id, end_user(app.id, user), wanted):
        raise NotFound("Conversation Not Exists.")
    return Response(b"", 204)


async def rename_conversation(request: Request) -> Answer:
    """``POST /v1/conversations/{conversation_id}/name``: give a conversation a name, or have a model make one."""
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
        name = await api.turns.title(app, "" if first is None else first.query)
    changed = await api.conversations.rename(app.id, conversation.id, name, at=api.now())
    if changed is None:
        raise NotFound("Conversation Not Exists.")
    return json_response(conversation_body(changed, fresh_of(request)))


def uuid_of(text: str | None, name: str) -> str | None:
    """A UUID of the query, in lower case; ``None`` if it is not given.

    Raises:
        InvalidParam: It is none.
    """
    if not text:
        return None
    if not is_uuid(text):
        raise InvalidParam(f"{name}: must be a valid UUID")
    return text.lower()


def fresh_of(request: Request) -> Fresh:
    """What renews addresses of files for the client of a request."""
    api, base_url = request.api, request.base_url
    return Fresh(lambda value: api.fresh(value, base_url), lambda text: api.fresh_text(text, base_url))
