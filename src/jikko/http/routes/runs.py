"""Starting, stopping and reading runs, as Dify does it. Source: Dify 1.15, spec/service-api.md §4."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from jikko.dify import bodies as run_bodies
from jikko.dify import events as wire
from jikko.errors import BadRequest, InvalidParam, WrongAppMode
from jikko.http.api import Api, authenticated, base_url_of
from jikko.http.errors import JsonResponse
from jikko.http.requests import check_trace_session, read_json, start_request, user_of
from jikko.http.responses import answer
from jikko.http.sse import PING, EventStream
from jikko.http.start_options import start_options_of
from jikko.ids import is_uuid, new_id
from jikko.ports.app_store import App
from jikko.runs.idempotency import Start
from jikko.runs.runs import StartRequest


async def run_current(request: Request) -> Response | ASGIApp:
    """``POST /v1/workflows/run``: run the current version."""
    return await _run(request, None)


async def run_version(request: Request) -> Response | ASGIApp:
    """``POST /v1/workflows/{workflow_id}/run``: run one version."""
    return await _run(request, request.path_params["workflow_id"])


async def run_detail(request: Request) -> Response:
    """``GET /v1/workflows/run/{workflow_run_id}``."""
    api, app = await authenticated(request)
    record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    return JsonResponse(run_bodies.detail_body(record, lambda outputs: api.fresh(outputs, request)))


async def stop_task(request: Request) -> Response:
    """``POST /v1/workflows/tasks/{task_id}/stop``: stop a run by its task id.

    ``stopped`` is there, and true, only if the run was still going on: for others, Dify's body has no such field.
    """
    api, app = await authenticated(request)
    user = user_of(await read_json(request, api.max_body))
    _require_workflow(app)
    stopped = await api.runs.control.stop(app.id, request.path_params["task_id"], user)
    return JsonResponse(wire.encode({"result": "success", **({"stopped": True} if stopped else {})}))


async def stop_run(request: Request) -> Response:
    """``POST /v1/workflows/run/{workflow_run_id}/stop``: stop a run by its id. Tells whether it was still going on."""
    api, app = await authenticated(request)
    user = user_of(await read_json(request, api.max_body))
    record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    stopped = await api.runs.control.stop(app.id, record.owner.run_id, user)
    return JsonResponse(wire.encode({"result": "success", "stopped": stopped}))


async def _run(request: Request, workflow_id: str | None) -> Response | ASGIApp:
    api, app = await authenticated(request)
    body = await read_json(request, api.max_body)
    user_of(body)
    _require_workflow(app)
    if workflow_id is not None and not is_uuid(workflow_id):
        raise BadRequest(f"Invalid workflow_id format: {workflow_id!r}.")
    check_trace_session(request, body)
    start, mode = start_request(body, workflow_id, base_url_of(api, request))
    operation = "run" if workflow_id is None else f"run {workflow_id.lower()}"
    options = start_options_of(api, request, operation, body)
    if options is not None:
        start = replace(start, options=options)
    if mode != "streaming":
        return await answer(api, await _started(api, app, start), mode)
    # Whether there is such a version is found out before the stream begins; all else is told in the stream.
    workflow = await api.workflows.get(app, start.workflow_id)
    try:
        return await answer(api, await _started(api, app, start), mode)
    except InvalidParam as error:
        refused = wire.refused_start(new_id(), workflow.id, start.inputs, str(error), api.now())
        return EventStream(_pieces([PING + refused]))


async def _started(api: Api, app: App, start: StartRequest) -> Start:
    return await api.starts.start(app, start.options, partial(api.runs.start, app, start))


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _require_workflow(app: App) -> None:
    if app.mode != "workflow":
        raise WrongAppMode("Please check if your app mode matches the right API route.", code="not_workflow_app")
