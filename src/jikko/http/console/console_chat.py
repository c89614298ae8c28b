"""Conversations of chat apps: reading, asking, rating, annotating, deleting. Answers are followed on the streams of
their runs."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from jikko.conversations.turns import TurnRequest
from jikko.dify.bodies import body_from
from jikko.dsl.document import CHAT_MODES
from jikko.errors import Conflict, InvalidParam, NotFound
from jikko.events import Event, NodeFinished, RunStarted
from jikko.http.console.console_queries import Limit, PageCursor, cursor_of, id_in
from jikko.http.console.console_runs import STARTS, app_of, app_with
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import Id, checked, must, user_named
from jikko.http.routes.annotation_routes import AnnotationRequest, require_annotated
from jikko.http.routes.conversations.message_routes import SuggestedQuestions, rate
from jikko.http.starts import promised, start_options_of
from jikko.ids import is_uuid
from jikko.ports.stores import messages as kept
from jikko.ports.stores.run_pages import RunCursor
from jikko.values import Json, Moment, Uuid

_GROUP: Final = "conversation"
CONSOLE_USER: Final = "console:"
"""Name prefix of end users at the console."""


class Conversation(Struct):
    id: Uuid
    name: str
    user: str
    created_at: Moment
    updated_at: Moment
    messages: int


class Conversations(Struct):
    """Conversations, last updated first."""

    data: list[Conversation]
    next: str | None


class Message(Struct):
    """Question with its answer."""

    id: Uuid
    query: str
    answer: str
    files: list[Json]
    answer_files: list[Json]
    run_id: Uuid | None
    status: Annotated[str, Meta(description="The run's status; succeeded if answered without a run.")]
    error: str | None
    created_at: Moment
    tokens: int
    elapsed: Annotated[float | None, Meta(description="The run's duration in seconds; null without a stored run.")]
    sources: Annotated[list[Json], Meta(description="Segments that the answer is based on, in Dify's format.")]
    rating: Annotated[Literal["like", "dislike"] | None, Meta(description="The end user's rating.")]
    note: Annotated[str, Meta(description="The end user's comment.")]
    can_rate: Annotated[bool, Meta(description="Whether the console started the conversation: only then can it rate.")]


class Messages(Struct):
    """Messages, newest first."""

    data: list[Message]
    next: str | None


class ChatVariable(Struct):
    name: str
    before: Json
    after: Json
    changed_by: str
    """Title of the node that set the value, or ``""``."""


class Question(Struct):
    """Question to a chat app."""

    query: Annotated[str, Meta(extra=must("must be a text"))]
    inputs: Annotated[dict[str, Json], Meta(extra=must("must be an object"))] = {}
    conversation_id: Annotated[str | None, Meta(extra=must("must be an id"))] = None
    files: Annotated[list[dict[str, Json]] | None, Meta(extra=must("must be a list of objects"))] = None
    user: Annotated[str | None, Meta(extra=must("must be a text"))] = None


class QuestionAccepted(Struct):
    """Accepted question."""

    message_id: Uuid
    conversation_id: Uuid
    run_id: Annotated[Uuid | None, Meta(description="null: answered without a run.")]


class ConversationsFilter(Struct):
    user: Annotated[str, Meta(description="User of the requests, exact match.")] = ""
    cursor: PageCursor | None = None
    limit: Limit = 50


class MessagesPage(Struct):
    cursor: Annotated[Id, Meta(description="Cursor from the previous page's `next`.")] | None = None
    limit: Limit = 50


class VariablesMoment(Struct):
    after_message: Annotated[str, Meta(description="ID of a message.")] = ""


@VisitorRoute("GET", "apps/{app_id}/conversations", (400, 404), scope="runs:read")
async def list_conversations(call: ConsoleRequest, asked: ConversationsFilter) -> Conversations:
    """List conversations of an app, of one end user or all, last updated first."""
    app = await app_of(call)
    behind = None if asked.cursor is None else (asked.cursor.place.created_at, asked.cursor.place.key)
    page = await call.console.chats.conversations(app.id, user=asked.user or None, behind=behind, limit=asked.limit)
    found = [body_from(entry, Conversation, messages=entry.turns) for entry in page.conversations]
    return Conversations(found, cursor_of(None if page.next is None else RunCursor(*page.next)))


@VisitorRoute("GET", "conversations/{conversation_id}/messages", (400, 404), scope="runs:read")
async def list_messages(call: ConsoleRequest, asked: MessagesPage) -> Messages:
    """List messages of a conversation, newest first."""
    conversation = await conversation_of(call)
    limit, before = asked.limit, asked.cursor
    found = await call.request.api.conversations.messages(conversation.id, before=before, limit=limit + 1)
    if found is None:
        raise InvalidParam("cursor: not a message of the conversation.")
    shown = [await _message(call, entry, can_rate=is_of_console(conversation)) for entry in found[:limit]]
    return Messages(shown, shown[-1].id if len(found) > limit else None)


@VisitorRoute("GET", "conversations/{conversation_id}/variables", (404, 503), scope="runs:read")
async def list_variables(call: ConsoleRequest, asked: VariablesMoment) -> list[ChatVariable]:
    """List conversation variables, current or, with ``after_message``, before and after that message."""
    api, conversation = call.request.api, await conversation_of(call)
    message_id = asked.after_message
    if not message_id:
        known = await api.conversations.variables(conversation.id)
        return [ChatVariable(one.name, one.value, one.value, "") for one in known]
    message = await message_of(call, conversation, message_id)
    log = [] if message.run_id is None else await call.console.run_store.events(message.run_id)
    return _variables_at(log)


@STARTS(path="apps/{app_id}/messages", status=202, body=Question)
async def ask(call: ConsoleRequest) -> QuestionAccepted:
    """Ask a chat app, in a new conversation or an existing one.

    The answer is followed on the stream of its run.
    """
    request, api, app = call.request, call.request.api, await app_of(call)
    body = await request.json()
    asked = checked(body, Question)
    if app.mode not in CHAT_MODES:
        raise InvalidParam("Not a chat app: start it with POST apps/{app_id}/runs.")
    user, conversation_id = user_named(asked.user), (asked.conversation_id or "").lower()
    if conversation_id:
        known = await call.console.chats.conversation(conversation_id) if is_uuid(conversation_id) else None
        if known is None or known.app_id != app.id:
            raise NotFound(f"The app has no conversation {conversation_id[:100]!r}.")
        if user and user != known.user:
            raise Conflict("The conversation belongs to another user.")
        user = known.user
    turn = TurnRequest(
        query=asked.query,
        inputs=asked.inputs,
        user=user or CONSOLE_USER + call.visitor.name,
        conversation_id=conversation_id,
        files=list(asked.files) if asked.files else None,
        base_url=request.base_url,
    )
    options = start_options_of(request, "console chat", {**body, "callback_url": None})
    begun = await api.chat.turns.begin(app, turn, options)
    if isinstance(begun, kept.Message):
        return QuestionAccepted(begun.id, begun.conversation_id, None)
    await promised(request, begun.run)
    run_id = begun.run.record.identity.run_id
    message = await api.conversations.message_of_run(run_id)
    if message is None:
        raise NotFound("The conversation was deleted meanwhile.")
    if not begun.repeated:
        call.note("asked: run", run_id, app=app.id)
    return QuestionAccepted(message.id, message.conversation_id, run_id)


@VisitorRoute("DELETE", "conversations/{conversation_id}", (404,), scope="runs:write")
async def delete_conversation(call: ConsoleRequest) -> None:
    """Delete a conversation with its messages and variables."""
    found = await conversation_of(call)
    await call.request.api.conversations.delete(found.app_id, found.end_user_id, found.id)
    call.note("deleted conversation", found.id, app=found.app_id)


async def conversation_of(call: ConsoleRequest) -> kept.Conversation:
    """Return the conversation in the path. Raises ``NotFound``."""
    found = await call.console.chats.conversation(id_in(call, "conversation"))
    if found is None:
        raise NotFound("Conversation not found.")
    return found


async def message_of(call: ConsoleRequest, conversation: kept.Conversation, message_id: str) -> kept.Message:
    """Return a message of a conversation. Raises ``NotFound``."""
    found = None
    if is_uuid(message_id):
        store = call.request.api.conversations
        found = await store.message(conversation.app_id, conversation.end_user_id, message_id)
    if found is None or found.conversation_id != conversation.id:
        raise NotFound("Message not found in the conversation.")
    return found


def is_of_console(conversation: kept.Conversation) -> bool:
    """Return whether its end user is someone at the console."""
    return conversation.user.startswith(CONSOLE_USER)


async def _message(call: ConsoleRequest, entry: kept.Message, *, can_rate: bool) -> Message:
    api, base_url = call.request.api, call.request.base_url
    record = None if entry.run_id is None else await call.console.run_store.record(entry.run_id)
    status = "failed" if entry.answer.status == "error" else "succeeded"
    return body_from(
        entry,
        Message,
        answer=api.files.fresh_text(entry.answer.text, base_url=base_url),
        files=list(api.files.fresh(entry.files, base_url=base_url)),
        answer_files=list(api.files.fresh(entry.answer.files, base_url=base_url)),
        status=status if record is None else record.status,
        error=entry.answer.error,
        tokens=0 if record is None else record.total_tokens,
        elapsed=None if record is None else record.elapsed,
        sources=entry.answer.metadata.retriever_resources,
        rating=None if entry.feedback is None else entry.feedback.rating,
        note="" if entry.feedback is None else entry.feedback.content or "",
        can_rate=can_rate,
    )


def _variables_at(log: Iterable[Event]) -> list[ChatVariable]:
    """Return the variables of a conversation before and after the run that answered a message."""
    before: dict[str, Json] = {}
    after: dict[str, Json] = {}
    by: dict[str, str] = {}
    for event in log:
        if isinstance(event, RunStarted) and event.turn is not None:
            before = dict(event.turn.variables)
            after = dict(before)
        elif isinstance(event, NodeFinished):
            for update in event.updates:
                if len(update.selector) == 2 and update.selector[0] == _GROUP:
                    after[update.selector[1]] = update.value
                    by[update.selector[1]] = event.title or event.node_id
    return [ChatVariable(name, before.get(name), value, by.get(name, "")) for name, value in after.items()]


_MESSAGE = "conversations/{conversation_id}/messages/{message_id}"


class AnswerRating(Struct):
    rating: Annotated[Literal["like", "dislike"] | None, Meta(extra=must("must be 'like', 'dislike' or null"))]
    note: Annotated[str, Meta(extra=must("must be a text"))] = ""


class SavedAnnotation(Struct):
    id: Uuid
    question: str
    answer: str
    answers: Annotated[bool, Meta(description="Whether annotation replies are enabled for the app.")]


@VisitorRoute("PUT", f"{_MESSAGE}/rating", (404, 409, 503), scope="runs:write")
async def rate_answer(call: ConsoleRequest, body: AnswerRating) -> None:
    """Rate an answer in a conversation of the console, or withdraw the rating.

    An answer has one rating: another end user's is not replaced.
    """
    conversation = await conversation_of(call)
    message = await message_of(call, conversation, id_in(call, "message"))
    if not is_of_console(conversation):
        raise Conflict("The conversation belongs to another user, who rates its answers. Annotate the answer instead.")
    await rate(call.request, message, body.rating, body.note)
    call.note(f"rated {body.rating or 'no more'}: message", message.id, app=conversation.app_id)


@VisitorRoute("POST", "apps/{app_id}/annotations", (404, 503), status=201, scope="apps:write")
async def annotate(call: ConsoleRequest, body: AnnotationRequest) -> SavedAnnotation:
    """Annotate a question with its answer, like ``/v1/apps/annotations``."""
    app, annotations = await app_of(call), call.request.api.chat.annotations
    require_annotated(app)
    made = await annotations.create(app.id, body.question, body.answer)
    call.note("made annotation", made.id, app=app.id)
    return body_from(made, SavedAnnotation, answers=await annotations.setting(app.id) is not None)


@VisitorRoute("GET", f"{_MESSAGE}/suggested", (400, 404), scope="runs:write")
async def suggest_questions(call: ConsoleRequest) -> SuggestedQuestions:
    """Suggest follow-up questions, generated by a model on request."""
    conversation = await conversation_of(call)
    app = await app_with(call, conversation.app_id)
    message = await message_of(call, conversation, id_in(call, "message"))
    return SuggestedQuestions(await call.request.api.chat.suggestions.after(app, conversation.end_user_id, message.id))
