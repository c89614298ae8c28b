"""Asking and stopping a chat app. Source: docs/dify-behaviour.md, “Chat requests”.

Checks follow Dify's order: IDs in the address, the key, the user, the app's mode, then everything else.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from jikko.apps.end_users import ANONYMOUS, end_user
from jikko.assemble.assembly import Assembly
from jikko.conversations.turns import TurnRequest
from jikko.dify import app_events, dify_events, turn_events
from jikko.dify.turn_events import ChatAccepted, ChatAnswer
from jikko.dsl.document import BASIC_MODES, CHAT_MODES
from jikko.errors import BadRequest, InvalidParam, NotFound, WrongAppMode
from jikko.events import FormRequested, RunFinished
from jikko.http.http_errors import Error, refusal
from jikko.http.operation import ChatRoute
from jikko.http.request_fields import (
    AnyUser,
    CallbackUrl,
    GivenFiles,
    Mode,
    StartMode,
    TraceSession,
    UserRequest,
    check_trace_session,
    checked,
    flag,
    must,
    user_named,
    user_of,
)
from jikko.http.requests import Request, authenticated
from jikko.http.responses import Response, SendableResponse, json_response
from jikko.http.routes.run_routes import Stopped
from jikko.http.starts import (
    RunBodies,
    StartRoute,
    TraceQuery,
    answer,
    refused_in_stream,
    start_options_of,
    whole_stream,
)
from jikko.ids import is_uuid, new_id
from jikko.ports.stores.messages import Conversation, Message
from jikko.repositories.app_store import App
from jikko.runs.run_log import RunLog
from jikko.runs.runs import Started, StartOutcome
from jikko.runs.turn_fold import TurnFold
from jikko.values import Json

NOT_CHAT: Final = "Please check if your app mode matches the right API route."


async def chat_request(request: Request, *, anonymous: bool = False) -> tuple[App, str, dict[str, Any]]:
    """Return the chat app of a request, its user and its body.

    Args:
        anonymous: Whether a missing user means the anonymous one.

    Raises:
        Unauthorized, TooManyRequests: See ``authenticated``.
        BadRequest, PayloadTooLarge, UnsupportedMediaType: See ``Request.json``.
        InvalidParam: The user is missing, or not text.
        WrongAppMode: Not a chat app.
    """
    app = await authenticated(request)
    body = await request.json()
    return app, _user(app, body, anonymous=anonymous), body


async def chat_app_and_user(request: Request, *, anonymous: bool = False) -> tuple[App, str]:
    """Return the chat app and user of a request without a body. See ``chat_request``."""
    app = await authenticated(request)
    return app, _user(app, request.query, anonymous=anonymous)


def _user(app: App, given: Mapping[str, Any], *, anonymous: bool) -> str:
    user = user_named(given.get("user")) or ANONYMOUS if anonymous else user_of(given)
    if app.mode not in CHAT_MODES:
        raise WrongAppMode(NOT_CHAT, code="not_chat_app")
    return user


async def own_conversation(request: Request, app: App, user: str, conversation_id: str) -> Conversation:
    """Return a conversation of the user. Raises ``NotFound``."""
    found = await request.api.conversations.conversation(app.id, end_user(app.id, user), conversation_id)
    if found is None:
        raise NotFound("Conversation Not Exists.")
    return found


class ChatRequest(Struct):
    """Question to a chat app."""

    query: Annotated[str, Meta(description="The question.", extra=must("must be a string"))]
    inputs: Annotated[
        dict[str, Json],
        Meta(
            description="Inputs of the start node, by name; checked in each turn. Others are dropped.",
            extra=must("must be an object"),
        ),
    ]
    user: Annotated[AnyUser, Meta(description="User who asks; chosen by the caller.")]
    response_mode: StartMode = None
    conversation_id: Annotated[
        str | None,
        Meta(
            description="The conversation to continue. Empty, or not this user's: a new one.",
            extra=must("must be a valid UUID"),
        ),
    ] = None
    files: GivenFiles = None
    auto_generate_name: Annotated[
        Any,
        Meta(
            description="Whether a model names a new conversation (default true).",
            extra_json_schema={"anyOf": [{"type": "boolean"}, {"type": "string"}]},
        ),
    ] = True
    workflow_id: Annotated[str | None, Meta(description="A version; default: the current one.")] = None
    callback_url: CallbackUrl = None
    trace_session_id: TraceSession = None


@StartRoute(
    "POST",
    "/v1/chat-messages",
    {200: ChatAnswer, 202: ChatAccepted},
    tag="Chat apps",
    body=ChatRequest,
    query=TraceQuery,
    hot=True,
)
async def chat(request: Request) -> SendableResponse:
    """Ask a question, in a new conversation or an existing one."""
    api = request.api
    app, user, body = await chat_request(request)
    asked = checked(body, ChatRequest)
    conversation_id = (asked.conversation_id or "").strip()
    name_wanted = flag(asked.auto_generate_name, "auto_generate_name")
    if conversation_id and not is_uuid(conversation_id):
        raise InvalidParam("conversation_id: must be a valid UUID")
    check_trace_session(request, asked.trace_session_id)
    version = None if app.mode in BASIC_MODES else asked.workflow_id or None
    if version and not is_uuid(version):
        raise BadRequest(f"Invalid workflow_id format: {version!r}.")
    mode = asked.response_mode or "blocking"
    if app.mode == "agent-chat" and mode == "blocking":
        raise InvalidParam("Agent Chat App does not support blocking mode: ask for response_mode 'streaming'.")
    if app.mode in BASIC_MODES and not asked.query:
        raise InvalidParam("query is required")
    turn = TurnRequest(
        query=asked.query,
        inputs=asked.inputs,
        user=user,
        conversation_id=conversation_id.lower(),
        files=asked.files,
        workflow_id=version,
        name_wanted=name_wanted,
        streamed=mode == "streaming",
        base_url=request.base_url,
    )
    options = start_options_of(request, "chat", body)

    async def begun() -> SendableResponse:
        return await turn_answer(request, app, await api.chat.turns.begin(app, turn, options), mode)

    if mode != "streaming" or app.mode in BASIC_MODES:
        return await begun()
    return await refused_in_stream(request, app, begun, version, asked.inputs)


@ChatRoute("POST", "/v1/chat-messages/{task_id}/stop", {200: Stopped}, (503,), body=UserRequest)
async def stop_chat(request: Request) -> SendableResponse:
    """Stop an answer.

    Its text so far is kept.

    Any user may. The answer is the same for ended and unknown tasks.
    """
    app, user, _ = await chat_request(request)
    await stopped_turn(request, app, user)
    return json_response(Stopped())


async def stopped_turn(request: Request, app: App, user: str) -> None:
    """Stop the answer in the address; for an app without a workflow, only for the user who asked."""
    only_of = end_user(app.id, user) if app.mode in BASIC_MODES else None
    await request.api.runs.control.stop(app.id, request.path_params["task_id"], user, only_of=only_of)


async def turn_answer(request: Request, app: App, begun: StartOutcome | Message, mode: Mode) -> SendableResponse:
    """Answer a question whose run has started, or that already has its answer."""
    is_basic = app.mode in BASIC_MODES
    if not isinstance(begun, Message):
        return await answer(request, begun, mode, _APP_TURN if is_basic else _TURN)
    task_id = new_id()
    if mode == "streaming":
        replied = app_events.app_replied_messages if is_basic else turn_events.replied_messages
        return whole_stream(b"".join(map(dify_events.frame, replied(begun, app.mode, task_id))), greets=not is_basic)
    return json_response(turn_events.replied_body(begun, app.mode, task_id))


class _TurnBodies(RunBodies):
    """Answers about the run of a chat turn."""

    async def accepted(self, request: Request, run: Started) -> bytes:
        identity, turn = run.record.identity, (await fold_of(request.api, run)).turn
        created_at = int(run.record.created_at)
        return dify_events.encode(
            ChatAccepted(identity.task_id, identity.run_id, turn.conversation_id, turn.message_id, created_at)
        )

    async def ended(self, request: Request, run: Started, end: RunFinished) -> Response:
        if end.status == "failed":
            return refusal(Error("invalid_param", f"Run failed: {end.error or ''}", 400))
        return json_response(turn_events.answer_body(run.record, await fold_of(request.api, run)))

    async def paused(self, request: Request, run: Started, waiting: list[FormRequested]) -> bytes:
        fold = await fold_of(request.api, run)
        return dify_events.encode(turn_events.paused_turn_body(run.record, fold, waiting))


class _AppTurnBodies(_TurnBodies):
    """Likewise, for an app without a workflow."""

    greets = False

    async def ended(self, request: Request, run: Started, end: RunFinished) -> Response:
        fold = await fold_of(request.api, run)
        if end.status == "failed":
            code, status = app_events.failure_of(fold.failed_by)
            return refusal(Error(code, end.error or "", status))
        return json_response(turn_events.answer_body(run.record, fold))


_TURN: Final = _TurnBodies()
_APP_TURN: Final = _AppTurnBodies()


async def fold_of(api: Assembly, run: Started) -> TurnFold:
    """Return the turn of a run, started here or elsewhere."""
    if isinstance(run, RunLog) and run.turn is not None:
        return run.turn
    identity = run.record.identity
    fold = TurnFold.of(await api.runs.control.events(run.record), is_retry=identity.retry_of is not None)
    assert fold is not None
    return fold
