"""Runs: listing, starting, stopping, retrying and deleting."""

import json
import math
from functools import partial
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.console.run_overview import ListedRun
from jikko.dify.bodies import body_from
from jikko.errors import Conflict, InvalidParam, NotFound, PayloadTooLarge, UploadRefused
from jikko.http.bodies.multipart_forms import read_form
from jikko.http.console.console_queries import Buckets, RunsPage, cursor_of, id_in
from jikko.http.console.run_bodies import (
    Histogram,
    HistogramBar,
    RunCallback,
    RunFull,
    RunLineage,
    RunList,
    run_body,
    run_fields,
)
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import checked, is_on, must, queried, user_named
from jikko.http.responses import SendableResponse, json_response
from jikko.http.routes.file_routes import UploadForm
from jikko.http.routes.retries import GivenMocks, GivenOutputs
from jikko.http.routes.run_routes import RunStopped
from jikko.http.starts import KEY, REPEATED, START_ERRORS, promised, start_options_of
from jikko.inputs.uploads import File
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.retry_values import RetryValues
from jikko.runs.runs import StartOutcome, StartRequest
from jikko.values import Json, Uuid

_HOUR: Final = 3600.0

_Inputs = Annotated[dict[str, Json], Meta(extra=must("must be an object"))]
_OptionalText = Annotated[str | None, Meta(extra=must("must be a text"))]


class RunStart(Struct):
    inputs: _Inputs
    user: Annotated[_OptionalText, Meta(description="Default: `console:` and the name of the token.")] = None
    workflow_id: Annotated[_OptionalText, Meta(description="A version; default: the current one.")] = None


class RunRetry(Struct):
    from_node_id: Annotated[_OptionalText, Meta(description="Default: the failed nodes.")] = None
    version: Annotated[
        int | None,
        Meta(
            description="Number of the version to run: the current one, or the run's (default). With the current one, "
            "nodes that it changes run again too.",
            extra=must("must be a whole number"),
        ),
    ] = None
    current: Annotated[
        int | None,
        Meta(
            description="Number of the version that the client believes is current: refused otherwise.",
            extra=must("must be a whole number"),
        ),
    ] = None
    values: GivenOutputs = {}
    mocks: GivenMocks = {}


class RetryNode(Struct):
    id: str
    title: str


class RetryMock(RetryNode):
    """Node that would run again and can be mocked."""

    outputs: Annotated[dict[str, Json] | None, Meta(description="Its outputs in the run, if it succeeded.")]
    handles: Annotated[list[str], Meta(description="Branches of the node; empty if it does not branch.")]
    can_fake: Annotated[bool, Meta(description='Whether `{"fake_model": true}` is allowed instead of outputs.')]


class RetryChoice(Struct):
    """Effect of a retry by one version."""

    version: int
    is_current: bool
    taken_over: Annotated[list[RetryNode], Meta(description="Nodes whose executions would be reused.")]
    from_nodes: Annotated[list[RetryNode], Meta(description="Nodes that would run again, with everything downstream.")]
    why_not: Annotated[str | None, Meta(description="Reason why it is impossible.")]
    reads: Annotated[
        dict[str, dict[str, Json]] | UnsetType,
        Meta(description="With `values`: what `from_nodes` read, by node and name, and `values` can override."),
    ] = UNSET
    mockable: Annotated[list[RetryMock] | UnsetType, Meta(description="With `values`.")] = UNSET


class RunAccepted(Struct):
    """Accepted run."""

    run_id: Uuid


class RetryStart(Struct):
    """First node of a retry."""

    from_node_id: Annotated[str, Meta(description="Default: the failed nodes.")] = ""
    values: Annotated[str, Meta(description="`1`: include the recorded values that can be overridden.")] = ""


@VisitorRoute("GET", "runs", (400, 503), scope="runs:read")
async def list_runs(call: ConsoleRequest, asked: RunsPage) -> RunList:
    """List runs of all apps, newest first, with their number by status."""
    behind = None if asked.cursor is None else asked.cursor.place
    listing = call.console.runs
    listed = await listing.page(await asked.wanted_of(listing.models), behind=behind, limit=asked.limit)
    now = call.request.api.clock()
    runs = [run_body(run, now) for run in listed.runs]
    counts, archived = listed.counts, await call.console.run_store.archived_until()
    return RunList(runs, cursor_of(listed.next), counts.by_status, counts.capped, archived)


@VisitorRoute("GET", "runs/histogram", (400, 503), scope="runs:read")
async def histogram(call: ConsoleRequest, asked: Buckets) -> Histogram:
    """Count runs by creation time.

    Bars are whole hours if the time range is long enough.
    """
    pages = call.console.runs.pages
    wanted, buckets = await asked.wanted_of(call.console.runs.models), asked.buckets
    now = call.request.api.clock()
    last = now if wanted.before is None else min(wanted.before, now)
    first = asked.after
    if first is None:
        first = (await pages.earliest()) or last - _HOUR
    first = min(first, last)
    step = max((last - first) / buckets, 1.0)
    if step > _HOUR / 2:
        step = math.ceil(step / _HOUR) * _HOUR
        first = first // step * step
    count = max(1, math.ceil((last - first) / step))
    found = await pages.histogram(wanted, first=first, step=step, buckets=count)
    return Histogram(first, step, [HistogramBar(bar.at, bar.by_status) for bar in found])


@VisitorRoute("GET", "runs/{run_id}", (404, 503), scope="runs:read")
async def read_run(call: ConsoleRequest) -> RunFull:
    """Read a run with its inputs and outputs."""
    api, record = call.request.api, await record_of(call)
    run = await listed(call, record)
    lineage = await api.runs.retries.lineage(record)
    retries = [entry.run_id for entry in lineage.retries]
    log_end = await call.console.run_store.log_end(record.identity.run_id)
    callback = await call.console.callback_store.find(record.identity.run_id)
    inputs = api.files.fresh(json.loads(record.inputs), base_url=call.request.base_url)
    outputs = None if record.is_open else api.files.fresh(json.loads(record.outputs), base_url=call.request.base_url)
    return RunFull(
        **run_fields(run, api.clock()),
        inputs=inputs,
        outputs=outputs,
        log_end=log_end,
        workflow_id=record.identity.workflow_id,
        task_id=record.identity.task_id,
        lineage=body_from(lineage, RunLineage, from_node_ids=lineage.from_nodes, retries=retries),
        callback=UNSET if callback is None else body_from(callback, RunCallback),
    )


STARTS: Final = partial(VisitorRoute, "POST", errors=START_ERRORS, scope="runs:write", headers=KEY, starts=True)
"""Routes of operations that start a run."""


@STARTS(path="apps/{app_id}/runs", answers={202: RunAccepted}, body=RunStart)
async def start_run(call: ConsoleRequest) -> SendableResponse:
    """Start a run.

    It continues after the client disconnects.
    """
    request, api, app = call.request, call.request.api, await app_of(call)
    body = await request.json()
    asked = checked(body, RunStart)
    if app.mode != "workflow":
        raise InvalidParam("A chat app: ask it with POST apps/{app_id}/messages.")
    user = user_named(asked.user) or f"console:{call.visitor.name}"
    start = StartRequest(inputs=asked.inputs, user=user, workflow_id=asked.workflow_id, base_url=request.base_url)
    options = start_options_of(request, "console run", {**body, "callback_url": None})
    started = await api.runs.starts.start(app, options, partial(api.runs.start, app, start))
    return await accepted(call, "started run", started)


@VisitorRoute("POST", "runs/{run_id}/stop", (404, 503), scope="runs:write")
async def stop_run(call: ConsoleRequest) -> RunStopped:
    """Stop a run.

    Returns whether it was still in progress.
    """
    record = await record_of(call)
    owner = record.identity
    stopped = await call.request.api.runs.control.stop(owner.app_id, owner.run_id, f"console:{call.visitor.name}")
    if stopped:
        call.note("stopped run", owner.run_id, app=owner.app_id, before={"status": record.status})
    return RunStopped(stopped)


@VisitorRoute("GET", "runs/{run_id}/retry", (400, 404, 409, 503), query=RetryStart, scope="runs:read")
async def read_retry(call: ConsoleRequest) -> list[RetryChoice]:
    """Preview what a retry of a run would reuse, for each possible version."""
    record = await record_of(call)
    app = await app_with(call, record.identity.app_id)
    numbers = await _numbers(call, app)
    own = record.identity.workflow_id
    choices = [await _choice(call, app, record, number=numbers.get(app.workflow_id, 0), current=True)]
    if own != app.workflow_id:
        choices.append(await _choice(call, app, record, number=numbers.get(own, 0), current=False))
    return choices


@STARTS(path="runs/{run_id}/retry", answers={202: RunAccepted}, body=RunRetry)
async def retry_run(call: ConsoleRequest) -> SendableResponse:
    """Retry a run, reusing the results of its finished nodes."""
    request, api, record = call.request, call.request.api, await record_of(call)
    body = await request.json()
    asked = checked(body, RunRetry)
    app = await app_with(call, record.identity.app_id)
    run_id = record.identity.run_id
    numbers = {} if asked.version is asked.current is None else await _numbers(call, app)
    own, newest = numbers.get(record.identity.workflow_id), numbers.get(app.workflow_id)
    if asked.current not in (None, newest):
        raise Conflict(f"Version {newest} was published meanwhile; the run was not retried. Check again.")
    if asked.version not in (None, own, newest):
        raise Conflict(f"Version {asked.version} is neither the current one nor that of the run.")
    current = asked.version not in (None, own)
    options = start_options_of(request, f"console retry {run_id}", {**body, "callback_url": None})
    given = RetryValues(asked.values, asked.mocks)
    retry = partial(
        api.runs.retries.retry, app, run_id, from_node=asked.from_node_id or None, current=current, given=given
    )
    told: Json = {"given": {node: list(named) for node, named in asked.values.items()}, "mocked": list(asked.mocks)}
    started = await api.runs.starts.start(app, options, retry)
    return await accepted(call, f"retried {run_id}: run", started, after=told if given else None)


@VisitorRoute("DELETE", "runs/{run_id}", (404, 409, 503), scope="runs:write")
async def delete_run(call: ConsoleRequest) -> None:
    """Delete an ended run with its log."""
    record = await record_of(call)
    if not await call.console.run_store.remove(record.identity.run_id):
        raise Conflict("The run has not ended; stop it before deleting it.")
    call.console.feed.note(record.identity.run_id)
    call.note("deleted run", record.identity.run_id, app=record.identity.app_id, before={"status": record.status})


@VisitorRoute(
    "POST",
    "apps/{app_id}/files",
    (404, 503),
    status=201,
    scope="runs:write",
    body=UploadForm,
    body_media_type="multipart/form-data",
)
async def upload_file(call: ConsoleRequest) -> File:
    """Upload a file.

    A form with ``file`` and ``user``; answered like ``/v1/files/upload``.
    """
    api, app = call.request.api, await app_of(call)
    too_large = PayloadTooLarge("The file is too large.", code="file_too_large")
    async with read_form(call.request, api.files.limits.largest, too_large) as form:
        if form is None:
            raise UploadRefused("Please upload your file.", code="no_file_uploaded")
        owner = await api.end_users.known(app.id, form.user or f"console:{call.visitor.name}")
        stored = await api.files.upload(form.files, app_id=app.id, end_user_id=owner)
    call.note("uploaded file", f"{stored.id} to {app.name!r}", app=app.id)
    return api.files.described(stored, base_url=call.request.base_url)


async def record_of(call: ConsoleRequest) -> RunRecord:
    """Return the run in the path. Raises ``NotFound``."""
    return await call.request.api.runs.records.any_record(id_in(call, "run"))


async def app_of(call: ConsoleRequest) -> App:
    """Return the app in the path. Raises ``NotFound``."""
    return await app_with(call, id_in(call, "app"))


async def listed(call: ConsoleRequest, record: RunRecord) -> ListedRun:
    """Return a run with what is shown beside its record."""
    [run] = await call.console.runs.shown([record])
    return run


async def _numbers(call: ConsoleRequest, app: App) -> dict[str, int]:
    """Return an app's version numbers, by version ID."""
    return {version.id: version.number for version in await call.console.app_store.versions(app.id)}


async def _choice(call: ConsoleRequest, app: App, record: RunRecord, *, number: int, current: bool) -> RetryChoice:
    asked = queried(call.request.query, RetryStart)
    from_node = asked.from_node_id or None
    try:
        plan = await call.request.api.runs.retries.plan(app, record, from_node=from_node, current=current)
    except (InvalidParam, NotFound) as error:
        return RetryChoice(number, current, [], [], str(error))
    titles = {node.id: node.title or node.id for node in plan.workflow.graph.nodes.values()}
    taken_over, from_nodes = (
        [RetryNode(node_id, titles.get(node_id, node_id)) for node_id in nodes]
        for nodes in (plan.taken_over, plan.from_nodes)
    )
    choice = RetryChoice(number, current, taken_over, from_nodes, None)
    if is_on(asked.values):
        choice.reads = plan.read
        choice.mockable = [
            RetryMock(each.id, titles[each.id], each.outputs, list(each.handles), each.can_fake)
            for each in plan.mockable
        ]
    return choice


async def app_with(call: ConsoleRequest, app_id: str) -> App:
    """Return an app by ID. Raises ``NotFound``."""
    app = await call.console.app_store.app(app_id)
    if app is None:
        raise NotFound(f"No app {app_id!r}.")
    return app


async def accepted(call: ConsoleRequest, did: str, started: StartOutcome, *, after: Json = None) -> SendableResponse:
    """Audit a start and answer it, once it is durable. ``after``: See ``ConsoleRequest.note``."""
    run = started.run
    await promised(call.request, run)
    run_id = run.record.identity.run_id
    answer = json_response(RunAccepted(run_id), 202)
    if not started.repeated:
        call.note(did, run_id, app=run.record.identity.app_id, after=after)
    else:
        answer.headers.append((REPEATED.lower().encode(), b"true"))
    return answer
