"""Messages and their feedback. Source: docs/dify-behaviour.md, “Conversations and messages”."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from jikko.apps.end_users import end_user
from jikko.dify.conversation_bodies import FeedbackPage, MessagePage, feedback_body, message_body
from jikko.errors import InvalidParam, NotFound
from jikko.http.operation import AppRoute, ChatRoute
from jikko.http.request_fields import Id, checked, must, queried, user_of
from jikko.http.requests import Request, authenticated
from jikko.http.responses import SendableResponse, json_response
from jikko.http.routes.conversations.conversations import fresh_of
from jikko.http.routes.conversations.turn_routes import chat_app_and_user, own_conversation
from jikko.http.routes.run_routes import Stopped
from jikko.ids import new_id
from jikko.ports.stores.messages import Feedback, Message
from jikko.repositories.app_store import App


class MessageFilter(Struct, kw_only=True):
    conversation_id: Annotated[Id, Meta(description="The conversation.")]
    user: Annotated[str, Meta(description="Owner; default: requests without a user.")] = ""
    first_id: Annotated[Id, Meta(description="Only messages before this one.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="Default 20.")] = 20


class FeedbackFilter(Struct):
    page: Annotated[int, Meta(ge=1, description="Default 1.")] = 1
    limit: Annotated[int, Meta(ge=1, le=101, description="Default 20.")] = 20


class FeedbackRequest(Struct):
    """End user's feedback on an answer."""

    user: Annotated[Any, Meta(description="Owner of the message.")]
    rating: Annotated[Literal["like", "dislike"] | None, Meta(extra=must("must be 'like', 'dislike' or null"))] = None
    content: Annotated[str | None, Meta(extra=must("must be a string"))] = None


@ChatRoute("GET", "/v1/messages", {200: MessagePage}, (400, 404), query=MessageFilter)
async def messages(request: Request) -> SendableResponse:
    """List messages of a conversation, oldest first.

    The latest ones, or those before ``first_id``.
    """
    app, user = await chat_app_and_user(request, anonymous=True)
    asked = queried(request.query, MessageFilter)
    limit = asked.limit
    conversation = await own_conversation(request, app, user, asked.conversation_id)
    found = await request.api.conversations.messages(conversation.id, before=asked.first_id, limit=limit + 1)
    if found is None:
        raise NotFound("First Message Not Exists.")
    fresh = fresh_of(request)
    page = [message_body(message, fresh) for message in reversed(found[:limit])]
    return json_response(MessagePage(limit, len(found) > limit, page))


@ChatRoute("POST", "/v1/messages/{message_id}/feedbacks", {200: Stopped}, (404, 503), body=FeedbackRequest)
async def give_feedback(request: Request) -> SendableResponse:
    """Rate an answer, or withdraw the rating.

    For apps of every mode.
    """
    api, app = request.api, await authenticated(request)
    body = await request.json()
    end_user_id = end_user(app.id, user_of(body))
    asked = checked(body, FeedbackRequest)
    message = await api.conversations.message(app.id, end_user_id, request.path_params["message_id"])
    if message is None:
        raise NotFound("Message Not Exists.")
    if not await rate(request, message, asked.rating, asked.content):
        raise InvalidParam("rating cannot be None when feedback not exists")
    return json_response(Stopped())


async def rate(
    request: Request, message: Message, rating: Literal["like", "dislike"] | None, content: str | None
) -> bool:
    """Save feedback on an answer; ``None`` withdraws it. Returns ``False`` if there was none to withdraw."""
    api = request.api
    if rating is None:
        return await api.conversations.unrate(message.id)
    now = api.clock()
    await api.conversations.rate(
        Feedback(
            id=new_id(),
            message_id=message.id,
            conversation_id=message.conversation_id,
            app_id=message.app_id,
            end_user_id=message.end_user_id,
            rating=rating,
            content=None if content is None else content.replace("\x00", ""),
            created_at=now,
            updated_at=now,
        )
    )
    return True


@AppRoute("GET", "/v1/app/feedbacks", (400,), tag="Chat apps")
async def list_feedbacks(request: Request, app: App, asked: FeedbackFilter) -> FeedbackPage:
    """List ratings of the app's answers, newest first."""
    found = await request.api.conversations.feedbacks(app.id, page=asked.page, limit=asked.limit)
    return FeedbackPage([feedback_body(feedback) for feedback in found])


class SuggestedQuestions(Struct):
    """Follow-up questions from a model."""

    data: list[str]
    result: Literal["success"] = "success"


class Asker(Struct):
    """End user of a request."""

    user: Annotated[
        str, Meta(description="Owner of the message.", extra_json_schema={"minLength": 1, "maxLength": 255})
    ]


@ChatRoute("GET", "/v1/messages/{message_id}/suggested", {200: SuggestedQuestions}, (400, 404), query=Asker)
async def suggested_questions(request: Request) -> SendableResponse:
    """Suggest follow-up questions.

    A model generates them on request.
    """
    app, user = await chat_app_and_user(request)
    message_id = request.path_params["message_id"]
    found = await request.api.chat.suggestions.after(app, end_user(app.id, user), message_id)
    return json_response(SuggestedQuestions(found))
