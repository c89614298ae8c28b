"""Ratings and annotations of answers by operators, and questions that may follow an answer."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from jikko.dify.bodies import body_from
from jikko.errors import Conflict
from jikko.http.body_fields import must
from jikko.http.console.console_chat import conversation_of, is_of_console, message_of
from jikko.http.console.console_queries import id_in
from jikko.http.console.console_runs import app_of, app_with
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.routes.annotation_routes import AnnotationRequest, require_annotated
from jikko.http.routes.conversations.message_routes import SuggestedQuestions, rate
from jikko.values import Uuid

_MESSAGE = "conversations/{conversation_id}/messages/{message_id}"


class AnswerRating(Struct):
    """What is thought of an answer."""

    rating: Annotated[Literal["like", "dislike"] | None, Meta(extra=must("must be 'like', 'dislike' or null"))]
    note: Annotated[str, Meta(extra=must("must be a text"))] = ""


class SavedAnnotation(Struct):
    """An annotation that was made."""

    id: Uuid
    question: str
    answer: str
    answers: Annotated[bool, Meta(description="Whether the app answers by its annotations.")]


@VisitorRoute("PUT", f"{_MESSAGE}/rating", (404, 409, 503), scope="runs:write")
async def rate_answer(call: ConsoleRequest, body: AnswerRating) -> None:
    """Rate an answer in a conversation that the console began, or take the rating back.

    An answer has one rating: that of another end user is not replaced.
    """
    conversation = await conversation_of(call)
    message = await message_of(call, conversation, id_in(call, "message_id", "message"))
    if not is_of_console(conversation):
        raise Conflict("The conversation is another user's, and so is the rating of its answers. Annotate the answer.")
    await rate(call.request, message, body.rating, body.note)
    call.note(f"rated {body.rating or 'no more'}: message", message.id, app=conversation.app_id)


@VisitorRoute("POST", "apps/{app_id}/annotations", (404, 503), status=201, scope="apps:write")
async def annotate(call: ConsoleRequest, body: AnnotationRequest) -> SavedAnnotation:
    """Keep a question of a chat with the answer to give to it, as ``/v1/apps/annotations`` does."""
    app, annotations = await app_of(call), call.request.api.chat.annotations
    require_annotated(app)
    made = await annotations.create(app.id, body.question, body.answer)
    call.note("made annotation", made.id, app=app.id)
    return body_from(made, SavedAnnotation, answers=await annotations.setting(app.id) is not None)


@VisitorRoute("GET", f"{_MESSAGE}/suggested", (400, 404), scope="runs:write")
async def suggest_questions(call: ConsoleRequest) -> SuggestedQuestions:
    """Questions that may follow an answer; a model makes them when they are asked for."""
    conversation = await conversation_of(call)
    app = await app_with(call, conversation.app_id)
    message = await message_of(call, conversation, id_in(call, "message_id", "message"))
    return SuggestedQuestions(await call.request.api.chat.suggestions.after(app, conversation.end_user_id, message.id))
