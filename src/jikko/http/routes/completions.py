"""Asking and stopping a completion app. Source: docs/dify-behaviour.md, “Apps without a workflow”."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from jikko.conversations.turns import TurnRequest
from jikko.dify.turn_events import AppAnswer, ChatAccepted
from jikko.errors import WrongAppMode
from jikko.http.operation import Route
from jikko.http.request_fields import (
    AnyUser,
    CallbackUrl,
    GivenFiles,
    StartMode,
    TraceSession,
    UserRequest,
    check_trace_session,
    checked,
    must,
    user_of,
)
from jikko.http.requests import Request, authenticated
from jikko.http.responses import SendableResponse, json_response
from jikko.http.routes.conversations.turn_routes import stopped_turn, turn_answer
from jikko.http.routes.run_routes import Stopped
from jikko.http.starts import StartRoute, TraceQuery, start_options_of
from jikko.repositories.app_store import App
from jikko.values import Json

UNAVAILABLE: Final = "App unavailable, please check your app configurations."


class CompletionRequest(Struct):
    inputs: Annotated[
        dict[str, Json],
        Meta(description="Inputs of its form, by name. Others are dropped.", extra=must("must be an object")),
    ]
    user: Annotated[AnyUser, Meta(description="User who asks; chosen by the caller.")]
    query: Annotated[str, Meta(description="A question, if the app takes one.", extra=must("must be a string"))] = ""
    response_mode: StartMode = None
    files: GivenFiles = None
    callback_url: CallbackUrl = None
    trace_session_id: TraceSession = None


@StartRoute(
    "POST",
    "/v1/completion-messages",
    {200: AppAnswer, 202: ChatAccepted},
    tag="Completion apps",
    body=CompletionRequest,
    query=TraceQuery,
)
async def complete(request: Request) -> SendableResponse:
    """Complete a text."""
    app, user, body = await _asked(request)
    asked = checked(body, CompletionRequest)
    check_trace_session(request, asked.trace_session_id)
    mode = asked.response_mode or "blocking"
    turn = TurnRequest(
        query=asked.query,
        inputs=asked.inputs,
        user=user,
        files=asked.files,
        name_wanted=False,
        streamed=mode == "streaming",
        base_url=request.base_url,
    )
    options = start_options_of(request, "complete", body)
    return await turn_answer(request, app, await request.api.chat.turns.begin(app, turn, options), mode)


@Route(
    "POST", "/v1/completion-messages/{task_id}/stop", {200: Stopped}, (503,), tag="Completion apps", body=UserRequest
)
async def stop_completion(request: Request) -> SendableResponse:
    """Stop a completion. Its text so far is kept. Only the user who asked may."""
    app, user, _ = await _asked(request)
    await stopped_turn(request, app, user)
    return json_response(Stopped())


async def _asked(request: Request) -> tuple[App, str, dict[str, Json]]:
    """Return the completion app of a request, its user and its body."""
    app = await authenticated(request)
    body = await request.json()
    user = user_of(body)
    if app.mode != "completion":
        raise WrongAppMode(UNAVAILABLE, code="app_unavailable")
    return app, user, body
