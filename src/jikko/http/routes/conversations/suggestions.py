"""What may be asked next. Source: Dify 1.15, spec/chatflow.md §6."""

from typing import Literal

from msgspec import Struct

from jikko.apps.end_users import end_user
from jikko.http.requests import Request
from jikko.http.responses import Answer, json_response
from jikko.http.routes.conversations.asking import asked_in_query


class SuggestedQuestions(Struct):
    """Questions, as a model thinks of them."""

    data: list[str]
    result: Literal["success"] = "success"


async def suggested_questions(request: Request) -> Answer:
    """``GET /v1/messages/{message_id}/suggested``: made when they are asked for."""
    app, user = await asked_in_query(request)
    message_id = request.path_params["message_id"]
    found = await request.api.suggestions.after(app, end_user(app.id, user), message_id)
    return json_response(SuggestedQuestions(found))
