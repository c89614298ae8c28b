"""Conversations and their variables. Source: docs/dify-behaviour.md, “Conversations and messages”."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, get_args

from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace

from jikko.apps.end_users import end_user
from jikko.dify.conversation_bodies import (
    ConversationBody,
    ConversationPage,
    Fresh,
    VariableBody,
    VariablePage,
    conversation_body,
    variable_body,
)
from jikko.dsl.declared_variables import fits
from jikko.errors import BadRequest, InvalidParam, NotFound
from jikko.http.operation import ChatRoute
from jikko.http.request_fields import AnyUser, Id, checked, flag, must, queried
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response
from jikko.http.routes.conversations.turn_routes import chat_app_and_user, chat_request, own_conversation
from jikko.ports.stores.messages import ConversationQuery, ConversationVariable, Order
from jikko.values import Json

_NAME_LENGTH: Final = 255


class ConversationFilter(Struct):
    user: Annotated[str, Meta(description="Owner; default: requests without a user.")] = ""
    last_id: Annotated[Id, Meta(description="Start after this one.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="Default 20.")] = 20
    sort_by: Annotated[
        Order, Meta(description="Default -updated_at.", extra=must(f"must be one of {', '.join(get_args(Order))}"))
    ] = "-updated_at"


class NameRequest(Struct):
    user: Annotated[AnyUser, Meta(description="Owner of the conversation.")] = UNSET
    name: Annotated[
        str | None, Meta(description="The name; not blank, at most 255 characters.", extra=must("must be a string"))
    ] = None
    auto_generate: Annotated[Any, Meta(description="Whether a model generates the name instead.")] = False


class OptionalUser(Struct):
    """Owner."""

    user: Annotated[AnyUser, Meta(description="Default: requests without a user.")] = UNSET


@ChatRoute("GET", "/v1/conversations", {200: ConversationPage}, (400, 404), query=ConversationFilter)
async def conversations(request: Request) -> SendableResponse:
    """List an end user's conversations."""
    app, user = await chat_app_and_user(request, anonymous=True)
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

    Answers still in progress are not sent to any client. Runs and files are deleted by retention.
    """
    app, user, _ = await chat_request(request, anonymous=True)
    wanted = request.path_params["conversation_id"]
    if not await request.api.conversations.delete(app.id, end_user(app.id, user), wanted):
        raise NotFound("Conversation Not Exists.")
    return Response(b"", 204)


@ChatRoute("POST", "/v1/conversations/{conversation_id}/name", {200: ConversationBody}, (404, 503), body=NameRequest)
async def rename_conversation(request: Request) -> SendableResponse:
    """Rename a conversation, or have a model name it."""
    api = request.api
    app, user, body = await chat_request(request, anonymous=True)
    asked = checked(body, NameRequest)
    automatic = flag(asked.auto_generate, "auto_generate")
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
    """Return a function that renews file URLs for the client of a request."""
    files, base_url = request.api.files, request.base_url
    return Fresh(partial(files.fresh, base_url=base_url), partial(files.fresh_text, base_url=base_url))


_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_NUMBERS: Final = ("number", "integer", "float")


class VariableFilter(Struct):
    user: Annotated[str, Meta(description="Owner; default: requests without a user.")] = ""
    last_id: Annotated[Id, Meta(description="Start after this one.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="Default 20.")] = 20
    variable_name: Annotated[str, Meta(description="Part of the name, case-insensitive.")] = ""


class VariableRequest(Struct):
    value: Annotated[Any, Meta(description="Value of the variable's type.")]
    user: Annotated[AnyUser, Meta(description="Owner of the conversation.")] = UNSET


@ChatRoute(
    "GET", "/v1/conversations/{conversation_id}/variables", {200: VariablePage}, (400, 404), query=VariableFilter
)
async def conversation_variables(request: Request) -> SendableResponse:
    """List a conversation's variables, in the order of the workflow."""
    app, user = await chat_app_and_user(request, anonymous=True)
    asked = queried(request.query, VariableFilter)
    last_id, limit, part = asked.last_id, asked.limit, asked.variable_name
    if "variable_name" in request.query and _NAME.fullmatch(part) is None:
        raise InvalidParam("variable_name: must consist of letters, digits, hyphens, underscores and periods")
    conversation = await own_conversation(request, app, user, request.path_params["conversation_id"])
    found = await request.api.conversations.variables(conversation.id)
    found = [variable for variable in found if part.lower() in variable.name.lower()]
    if last_id is not None and last_id not in [variable.id for variable in found]:
        raise InvalidParam("")  # Dify's own text. Source: docs/dify-behaviour.md, “Conversations and messages”.
    page, has_more = page_of(found, limit, last_id)
    return json_response(VariablePage(limit, has_more, [variable_body(variable) for variable in page]))


@ChatRoute(
    "PUT",
    "/v1/conversations/{conversation_id}/variables/{variable_id}",
    {200: VariableBody},
    (404, 503),
    body=VariableRequest,
)
async def set_conversation_variable(request: Request) -> SendableResponse:
    """Set a conversation variable.

    The next turn sees the new value.
    """
    api = request.api
    app, user, body = await chat_request(request, anonymous=True)
    if "value" not in body:
        raise InvalidParam("value: is required")
    value = checked(body, VariableRequest).value
    conversation = await own_conversation(request, app, user, request.path_params["conversation_id"])
    wanted = request.path_params["variable_id"].lower()
    known = {variable.id: variable for variable in await api.conversations.variables(conversation.id)}
    if wanted not in known:
        raise NotFound("Conversation variable not exists.")
    variable, now = known[wanted], api.clock()
    value = _fitting(variable, value)
    if not await api.conversations.set_variable(conversation.id, variable.id, value, at=now):
        raise NotFound("Conversation variable not exists.")
    return json_response(variable_body(replace(variable, value=value, updated_at=now)))


def _fitting(variable: ConversationVariable, value: Json) -> Json:
    """Check a value against the variable's type. As in Dify, a boolean is a number.

    Raises:
        BadRequest: Wrong type.
        InvalidParam: A fraction for an integer variable. [QUIRK]
    """
    if variable.value_type in _NUMBERS:
        if isinstance(value, bool):
            value = int(value)
        if isinstance(value, float) and isinstance(variable.value, int):
            raise InvalidParam("value: is a fraction, and the variable holds an integer")
    if not fits(value, variable.value_type):
        raise BadRequest(f"value: does not fit the type {variable.value_type!r} of the variable {variable.name!r}")
    return value


def page_of(
    variables: Sequence[ConversationVariable], limit: int, after: str | None
) -> tuple[list[ConversationVariable], bool]:
    """Return a page in Dify's order, and whether more follow. [QUIRK]

    Dify sorts the variables by creation time, but a conversation's variables are all created at once. So their order is
    how its database returns equals. For few of them, that is the order of creation. For many, the database keeps the
    first ``limit`` + 1 in a heap, which returns the very first one last: a page of two of nine has the second and the
    third. Here, variables that a page skips in this way come with the next one.

    Args:
        variables: All of them, in order of creation.
        after: The last one of the previous page, with the same limit; ``None`` for the first page.
    """
    left = list(variables)
    while True:
        page = _first(left, limit)
        left = [variable for variable in left if variable not in page]
        if after is None:
            return page, bool(left)
        ids = [variable.id for variable in page]
        if after in ids:
            # Usually the last of its page; if the limit was different, the ones after it are not skipped.
            left = page[ids.index(after) + 1 :] + left
            after = None
        elif not left:
            return [], False


def _first(left: Sequence[ConversationVariable], limit: int) -> list[ConversationVariable]:
    kept = limit + 1  # one more, to know whether more follow
    if len(left) <= 2 * kept:
        return list(left[:limit])
    return _out_of_heap(left[:kept])[:limit]


def _out_of_heap(equals: Sequence[ConversationVariable]) -> list[ConversationVariable]:
    """Return equal items in the order of a binary heap filled from its end."""
    heap = list(equals)
    for end in range(len(heap) - 1, 0, -1):
        heap[0], heap[end] = heap[end], heap[0]
    return heap
