"""Starting, stopping and reading runs, as Dify does it. Source: Dify 1.15, spec/service-api.md §4."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from jikko.errors import BadRequest, InvalidParam, WrongAppMode
from jikko.events import RunFinished
from jikko.http import wire
from jikko.http.bodies import read_json, start_request, user_of
from jikko.http.errors import JsonResponse
from jikko.http.messages import Messages
from jikko.http.sse import PING, EventStream
from jikko.http.state import Api, authenticated, base_url_of
from jikko.ids import is_uuid, new_id
from jikko.ports.app_store import App
from jikko.service.forms import forms_of
from jikko.service.live import LiveRun
from jikko.service.runs import StartRequest


async def run_current(request: Request) -> Response | ASGIApp:
    """``POST /v1/workflows/run``: run the current version."""
    return await _run(request, None)


async def run_version(request: Request) -> Response | ASGIApp:
    """``POST /v1/workflows/{workflow_id}/run``: run one version."""
    return await _run(request, request.path_params["workflow_id"])


async def run_detail(request: Request) -> Response:
    """``GET /v1/workflows/run/{workflow_run_id}``."""
    api, app = await authenticated(request)
    record = await api.runs.record(app.id, request.path_params["workflow_run_id"])
    return JsonResponse(wire.detail_body(record, lambda outputs: api.fresh(outputs, request)))


async def stop_task(request: Request) -> Response:
    """``POST /v1/workflows/tasks/{task_id}/stop``. Answers the same whether or not there was anything to stop."""
    api, app = await authenticated(request)
    user = user_of(await read_json(request, api.max_body))
    _require_workflow(app)
    await api.runs.stop(app.id, request.path_params["task_id"], user)
    return JsonResponse(wire.encode({"result": "success"}))


async def stop_run(request: Request) -> Response:
    """``POST /v1/workflows/run/{workflow_run_id}/stop``: stop a run by its id. Tells whether it was still going on."""
    api, app = await authenticated(request)
    user = user_of(await read_json(request, api.max_body))
    record = await api.runs.record(app.id, request.path_params["workflow_run_id"])
    stopped = await api.runs.stop(app.id, record.owner.run_id, user)
    return JsonResponse(wire.encode({"result": "success", "stopped": stopped}))


async def _run(request: Request, workflow_id: str | None) -> Response | ASGIApp:
    api, app = await authenticated(request)
    body = await read_json(request, api.max_body)
    user_of(body)
    _require_workflow(app)
    if workflow_id is not None and not is_uuid(workflow_id):
        raise BadRequest(f"Invalid workflow_id format: {workflow_id!r}.")
    start, mode = start_request(body, workflow_id, base_url_of(api, request))
    if mode == "streaming":
        return await _stream(api, app, start)
    live = await api.runs.start(app, start)
    if mode == "async":
        await live.committed(1)
        owner = live.record.owner
        location = {"Location": f"/v1/workflows/run/{owner.run_id}"}
        return JsonResponse(wire.running_body(live.record), 202, location)
    end = await live.ended()
    if isinstance(end, RunFinished):
        return JsonResponse(wire.blocking_body(live.record, end.outputs))
    forms = forms_of(live.record, await api.runs.events(live.record))
    return JsonResponse(wire.paused_body(live.record, [form.requested for form in forms if form.closed is None]))


async def _stream(api: Api, app: App, start: StartRequest) -> ASGIApp:
    # Whether there is such a version is found out before the stream begins; all else is told in the stream.
    workflow = await api.workflows.get(app, start.workflow_id)
    try:
        live = await api.runs.start(app, start)
    except InvalidParam as error:
        refused = wire.refused_start(new_id(), workflow.id, start.inputs, str(error), api.now())
        return EventStream(_pieces([PING + refused]))
    return EventStream(_messages(api, live))


async def _messages(api: Api, live: LiveRun) -> AsyncIterator[bytes]:
    yield PING
    messages = Messages(live.record)
    async for batch in live.follow(idle=api.ping_seconds):
        if piece := messages.frames(event for _, event in batch):
            yield piece
        elif not batch:
            yield PING


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _require_workflow(app: App) -> None:
    if app.mode != "workflow":
        raise WrongAppMode("Please check if your app mode matches the right API route.", code="not_workflow_app")
