"""Repeating runs from a node on, and which runs repeat which."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from jikko.dify import events as wire
from jikko.errors import InvalidParam
from jikko.http.api import authenticated
from jikko.http.errors import JsonResponse
from jikko.http.requests import mode_of, read_json, user_of
from jikko.http.responses import answer
from jikko.http.start_options import acceptance_of
from jikko.record import RunRecord


async def retry_run(request: Request) -> Response | ASGIApp:
    """``POST /v1/workflows/run/{workflow_run_id}/retry``: repeat a run from a node on.

    A new run takes over what finished nodes did. Those that failed run again, with everything behind them; or
    ``from_node_id`` does. It is a run of the same version, inputs and user, and is answered as a start is. With
    ``current_version`` it is one of the app's current version, and nodes that this changes run again too.
    """
    api, app = await authenticated(request)
    body = await read_json(request, api.max_body)
    user_of(body)
    mode = mode_of(body)
    from_node = body.get("from_node_id")
    if from_node is not None and (not isinstance(from_node, str) or not from_node):
        raise InvalidParam("from_node_id: must be the id of a node")
    current = body.get("current_version", False)
    if not isinstance(current, bool):
        raise InvalidParam("current_version: must be true or false")
    record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    run_id = record.owner.run_id
    acceptance = acceptance_of(api, request, f"retry {run_id}", body)
    retry = partial(api.retries.retry, app, run_id, from_node=from_node, current=current, acceptance=acceptance)
    return await answer(api, await api.starts.start(app, acceptance, retry), mode)


async def lineage(request: Request) -> Response:
    """``GET /v1/workflows/run/{workflow_run_id}/lineage``: the run that this one repeats, and those that repeat it."""
    api, app = await authenticated(request)
    record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    found = await api.retries.lineage(record)
    return JsonResponse(
        wire.encode(
            {
                "workflow_run_id": record.owner.run_id,
                "retry_of": found.retry_of,
                "from_node_ids": found.from_nodes,
                "taken_over": found.taken_over,
                "retries": [_relative(entry) for entry in found.retries],
            }
        )
    )


def _relative(record: RunRecord) -> dict[str, object]:
    return {
        "workflow_run_id": record.owner.run_id,
        "status": record.status,
        "created_at": int(record.created_at),
    }
