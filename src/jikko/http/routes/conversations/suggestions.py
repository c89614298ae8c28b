"""What may be asked next. Source: docs/dify-behaviour.md, “Conversations and messages”."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from jikko.apps.end_users import end_user
from jikko.http.operation import ChatRoute
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response
from jikko.http.routes.conversations.asking import asked_in_query


class SuggestedQuestions(Struct):
    """Questions, as a model thinks of them."""

    data: list[str]
    result: Literal["success"] = "success"


class Asker(Struct):
    """An end user who asks."""

    user: Annotated[str, Meta(description="Whose message it is.", extra_json_schema={"minLength": 1, "maxLength": 255})]


@ChatRoute("GET", "/v1/messages/{message_id}/suggested", {200: SuggestedQuestions}, (400, 404), query=Asker)
async def suggested_questions(request: Request) -> SendableResponse:
    """Questions that may follow.

    A model makes them when they are asked for.
    """
    app, user = await asked_in_query(request)
    message_id = request.path_params["message_id"]
    found = await request.api.suggestions.after(app, end_user(app.id, user), message_id)
    return json_response(SuggestedQuestions(found))
