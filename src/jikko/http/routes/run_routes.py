"""Starting, stopping and reading runs, as in Dify. Source: docs/dify-behaviour.md, “Running a workflow”."""

from collections.abc import Awaitable
from functools import partial
from typing import Annotated

from msgspec import Meta, Struct

from jikko.dify import bodies
from jikko.dsl.document import BASIC_MODES
from jikko.errors import BadRequest, JikkoError, NotFound, WrongAppMode
from jikko.http.operation import AppRoute, Route
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
from jikko.http.requests import Request, api_key, authenticated
from jikko.http.responses import Response, SendableResponse
from jikko.http.starts import StartRoute, TraceQuery, answer, refused_in_stream, start_options_of
from jikko.ids import is_uuid
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from jikko.values import Json


class RunRequest(Struct):
    """Body of a run's start."""

    inputs: Annotated[
        dict[str, Json],
        Meta(
            description="Inputs of the start node, by name. Others are dropped. No request body may be nested deeper "
            "than 256 levels.",
            extra=must("must be an object"),
        ),
    ]
    user: Annotated[AnyUser, Meta(description="User of the run; chosen by the caller.")]
    response_mode: StartMode = None
    files: GivenFiles = None
    callback_url: CallbackUrl = None
    trace_session_id: TraceSession = None


class Stopped(Struct):
    """Answer to a stop."""

    result: str = "success"


class RunStopped(Struct):
    """Answer to a stop by run ID."""

    stopped: Annotated[bool, Meta(description="Whether the run was still in progress.")]
    result: str = "success"


def _start(path: str) -> Route:
    answers = {200: bodies.RunAnswer, 202: bodies.RunAnswer}
    return StartRoute("POST", path, answers, body=RunRequest, query=TraceQuery, hot=True)


@_start("/v1/workflows/run")
def run_current(request: Request) -> Awaitable[SendableResponse]:
    """Run the current version of the workflow."""
    return _run(request, None)


@_start("/v1/workflows/{workflow_id}/run")
async def run_version(request: Request) -> SendableResponse:
    """Run a specific version of the workflow."""
    return await _run(request, request.path_params["workflow_id"])


@Route("GET", "/v1/workflows/run/{workflow_run_id}", {200: bodies.RunDetail}, (400, 404), hot=True)
async def run_detail(request: Request) -> Response:
    """Read a run."""
    api = request.api
    # One statement finds the run and checks that the key opens its app. Only if it finds nothing is the key looked up.
    detail = await api.runs.records.detail(api_key(request), request.path_params["workflow_run_id"])
    if detail is None:
        raise no_run(await authenticated(request))
    return Response(bodies.detail_body(detail, lambda outputs: api.files.fresh(outputs, base_url=request.base_url)))


@AppRoute("POST", "/v1/workflows/tasks/{task_id}/stop", (503,), body=UserRequest)
async def stop_task(request: Request, app: App) -> Stopped:
    """Stop a run by its task ID.

    Any user may. The answer is the same for ended and unknown tasks; use the stop by run ID to distinguish them.
    """
    user = user_of(await request.json())
    if app.mode != "workflow":
        raise _other_mode()
    await request.api.runs.control.stop(app.id, request.path_params["task_id"], user)
    return Stopped()


@AppRoute("POST", "/v1/workflows/run/{workflow_run_id}/stop", (404, 503), body=UserRequest)
async def stop_run(request: Request, app: App) -> RunStopped:
    """Stop a run by its ID.

    Returns whether it was still in progress.
    """
    api = request.api
    user = user_of(await request.json())
    record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    stopped = await api.runs.control.stop(app.id, record.identity.run_id, user)
    return RunStopped(stopped)


async def _run(request: Request, workflow_id: str | None) -> SendableResponse:
    api, app = request.api, await authenticated(request)
    body = await request.json()
    user = user_of(body)
    if app.mode != "workflow":
        raise _other_mode()
    asked = checked(body, RunRequest)
    check_trace_session(request, asked.trace_session_id)
    if workflow_id is not None and not is_uuid(workflow_id):
        raise BadRequest(f"Invalid workflow_id format: {workflow_id!r}.")
    mode = asked.response_mode or "blocking"
    options = start_options_of(request, "run" if workflow_id is None else f"run {workflow_id.lower()}", body)
    start = StartRequest(
        inputs=asked.inputs, user=user, files=asked.files, workflow_id=workflow_id, base_url=request.base_url
    )

    async def started() -> SendableResponse:
        return await answer(
            request, await api.runs.starts.start(app, options, partial(api.runs.start, app, start)), mode
        )

    return await (
        refused_in_stream(request, app, started, workflow_id, asked.inputs) if mode == "streaming" else started()
    )


def no_run(app: App) -> JikkoError:
    """Make the error for an unknown run. Dify has none of apps without a workflow, and says so first."""
    return _other_mode() if app.mode in BASIC_MODES else NotFound("Workflow run not found.")


def _other_mode() -> WrongAppMode:
    return WrongAppMode("Please check if your app mode matches the right API route.", code="not_workflow_app")
