"""The variables of a conversation. Source: docs/dify-behaviour.md, “Conversations and messages”."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from jikko.dify.conversation_bodies import VariableBody, VariablePage, variable_body
from jikko.dsl.declared_variables import fits
from jikko.errors import BadRequest, InvalidParam, NotFound
from jikko.http.operation import ChatRoute
from jikko.http.request_fields import AnyUser, Id, checked, queried
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response
from jikko.http.routes.conversations.turn_routes import asked_in_body, asked_in_query, own_conversation
from jikko.ports.stores.messages import ConversationVariable
from jikko.values import Json

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_NUMBERS: Final = ("number", "integer", "float")


class VariableFilter(Struct):
    """Which variables are listed."""

    user: Annotated[str, Meta(description="Whose they are; by default those of requests without a user.")] = ""
    last_id: Annotated[Id, Meta(description="Begin behind this one.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="Default 20.")] = 20
    variable_name: Annotated[str, Meta(description="A part of the name, in any case.")] = ""


class VariableRequest(Struct):
    """A value for a variable."""

    value: Annotated[Any, Meta(description="Of the variable's type.")]
    user: Annotated[AnyUser, Meta(description="Whose conversation it is.")] = None


@ChatRoute(
    "GET", "/v1/conversations/{conversation_id}/variables", {200: VariablePage}, (400, 404), query=VariableFilter
)
async def conversation_variables(request: Request) -> SendableResponse:
    """List the variables of a conversation, in the order of the workflow."""
    app, user = await asked_in_query(request, anonymous=True)
    asked = queried(request.query, VariableFilter)
    last_id, limit, part = asked.last_id, asked.limit, asked.variable_name
    if part and _NAME.fullmatch(part) is None:
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
    """Set a variable of a conversation.

    The next turn sees the new value.
    """
    api = request.api
    app, user, body = await asked_in_body(request, anonymous=True)
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
    """The value, if it is of the variable's type. A boolean is a number, as in Dify.

    Raises:
        BadRequest: It is not.
        InvalidParam: It is a fraction, and the variable holds an integer. [QUIRK]
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
    """A page, in Dify's order, and whether more follow. [QUIRK]

    All variables of a conversation are made at once, and Dify sorts them by when that was: so their order is what its
    database makes of equals. Of a few it is the order in which they were made. Of many, of which a page is few, the
    database keeps the first of them in a heap, which hands them out with the first of all behind the others: a page of
    two of nine are the second and the third. Here the variables that a page passes over in this way come with the next.

    Args:
        variables: All of them, in the order in which they were made.
        after: The last one of the page before, which had the same limit; ``None`` for the first page.
    """
    left = list(variables)
    while True:
        page = _first(left, limit)
        left = [variable for variable in left if variable not in page]
        if after is None:
            return page, bool(left)
        ids = [variable.id for variable in page]
        if after in ids:
            # Usually the last; what stands behind it, if another limit was used before, is not passed over.
            left = page[ids.index(after) + 1 :] + left
            after = None
        elif not left:
            return [], False


def _first(left: Sequence[ConversationVariable], limit: int) -> list[ConversationVariable]:
    kept = limit + 1  # one more, to know whether there is more
    if len(left) <= 2 * kept:
        return list(left[:limit])
    return _out_of_heap(left[:kept])[:limit]


def _out_of_heap(equals: Sequence[ConversationVariable]) -> list[ConversationVariable]:
    """Equals, in the order in which a binary heap of them hands them out, filled from its end."""
    heap = list(equals)
    for end in range(len(heap) - 1, 0, -1):
        heap[0], heap[end] = heap[end], heap[0]
    return heap
