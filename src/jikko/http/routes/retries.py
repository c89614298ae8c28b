"""Retries of runs from a node on, and their lineage."""

from functools import partial
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from jikko.dify.bodies import RunAnswer, body_from
from jikko.events import RunStatus
from jikko.http.operation import AppRoute
from jikko.http.request_fields import AnyMode, AnyUser, CallbackUrl, checked, must, user_of
from jikko.http.requests import Request, authenticated
from jikko.http.responses import SendableResponse
from jikko.http.starts import KEY, StartRoute, answer, start_options_of
from jikko.repositories.app_store import App
from jikko.runs.retry_values import RetryValues
from jikko.values import Json, Seconds, Uuid

_OUTPUTS = must("must be an object of objects: values by node and name")
GivenOutputs: TypeAlias = Annotated[
    dict[str, dict[str, Json]],
    Meta(
        description="Overrides of recorded values read by nodes that run again, by node and name; for the start node, "
        "inputs of the run; for `sys`, only `query`.",
        extra=_OUTPUTS,
    ),
]
GivenMocks: TypeAlias = Annotated[
    dict[str, dict[str, Json]],
    Meta(
        description="Outputs of mocked nodes, which do not run, by ID or title. Everything downstream runs again. A "
        'branching node names its branch, and `error` alone fails the node. With `{"fake_model": true}` '
        "the node runs, and a fake model answers its prompts.",
        extra=_OUTPUTS,
    ),
]


class RetryRequest(Struct):
    user: Annotated[AnyUser, Meta(description="User who asks. The new run belongs to the user of the first one.")]
    from_node_id: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="The node that runs again, with everything downstream. Default: the failed nodes.",
            extra=must("must be the id of a node"),
        ),
    ] = None
    current_version: Annotated[
        bool,
        Meta(
            description="Retry with the app's current version. Nodes that it changes run again too, with everything "
            "downstream. Default: the run's version.",
            extra=must("must be true or false"),
        ),
    ] = False
    values: GivenOutputs = {}
    mocks: GivenMocks = {}
    response_mode: Annotated[AnyMode, Meta(description="Like for a start.")] = None
    callback_url: CallbackUrl = None


class Relative(Struct):
    """Retry of a run."""

    workflow_run_id: Uuid
    status: RunStatus
    created_at: Seconds


class Lineage(Struct):
    """Original and retries of a run."""

    workflow_run_id: Uuid
    retry_of: Annotated[Uuid | None, Meta(description="The run that this one retries.")]
    from_node_ids: Annotated[list[str], Meta(description="The nodes from which it retries that run.")]
    taken_over: Annotated[list[Uuid], Meta(description="Its node executions that were reused from that run.")]
    replaced: Annotated[dict[str, list[str]], Meta(description="Names of overridden values, by node.")]
    mocked: Annotated[list[str], Meta(description="Nodes with mocked outputs or a fake model.")]
    retries: Annotated[list[Relative], Meta(description="Retries of this run, oldest first.")]


@StartRoute(
    "POST",
    "/v1/workflows/run/{workflow_run_id}/retry",
    {200: RunAnswer, 202: RunAnswer},
    body=RetryRequest,
    headers=KEY,
)
async def retry_run(request: Request) -> SendableResponse:
    """Start a run that reuses the results of this run's finished nodes.

    Failed nodes run again, with everything downstream; or ``from_node_id`` does. The new run has the same version,
    inputs and user, and is answered like any start. With ``current_version`` it uses the app's current version, and
    nodes that this changes run again too. With ``values`` or ``mocks`` a message that the run answers keeps its answer,
    and a conversation its variables.
    """
    api, app = request.api, await authenticated(request)
    body = await request.json()
    user_of(body)
    asked = checked(body, RetryRequest)
    run_id = request.path_params["workflow_run_id"].lower()
    options = start_options_of(request, f"retry {run_id}", body)
    given = RetryValues(asked.values, asked.mocks)
    retry = partial(
        api.runs.retries.retry, app, run_id, from_node=asked.from_node_id, current=asked.current_version, given=given
    )
    return await answer(request, await api.runs.starts.start(app, options, retry), asked.response_mode or "blocking")


@AppRoute("GET", "/v1/workflows/run/{workflow_run_id}/lineage", (404,))
async def lineage(request: Request, app: App) -> Lineage:
    """Read which run this one retries, and its own retries."""
    api = request.api
    record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    found = await api.runs.retries.lineage(record)
    retries = [Relative(entry.run_id, entry.status, int(entry.created_at)) for entry in found.retries]
    run_id = record.identity.run_id
    return body_from(found, Lineage, workflow_run_id=run_id, from_node_ids=found.from_nodes, retries=retries)
