"""Analysis of recorded runs: differences between two, a regression test of one, coverage of a version by many."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from jikko.concurrency.run_in_thread import free_in_slices, giving_way, run_in_thread
from jikko.console.log_pages import MAX_WHOLE_BYTES
from jikko.errors import Conflict, InvalidParam, LogDamaged, PayloadTooLarge
from jikko.events import RunStatus
from jikko.http.console.console_apps import VersionChoice, version_of
from jikko.http.console.console_runs import app_of, record_of
from jikko.http.console.run_bodies import Run, run_body
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import Id
from jikko.http.responses import Response, SendableResponse
from jikko.ports.stores.run_pages import RunFilter
from jikko.ports.stores.run_store import RunStore
from jikko.proving.coverage import Coverage
from jikko.proving.recorded_case import as_test_file, require_testable, saved_case
from jikko.proving.run_difference import compare_runs
from jikko.record import RunRecord
from jikko.runs.reading.field_changes import Change, ChangedField
from jikko.values import Json, encode_json

_MAX_NODES: Final = 500
_MAX_FIELDS: Final = 50
_MAX_CHARACTERS: Final = 1000
"""Characters of a truncated value."""
_MAX_TEST: Final = 1_000_000
"""Largest test as JSON, in bytes: 100,000 objects take two seconds to write."""


class ExecutionDifference(Struct):
    """Node that ran in only one of the runs, or differently."""

    node_id: str
    title: str
    rounds: Annotated[list[int], Meta(description="Rounds of the enclosing containers, outermost first, from 0.")]
    change: Change
    fields: Annotated[list[ChangedField], Meta(description="First 50 differences.")]
    seconds: Annotated[list[float], Meta(description="Durations before and after, if it ran in both.")]


class RunDifferences(Struct):
    """Differences of a run from another. IDs, times and durations are ignored.

    Values above 4 kB are truncated to 1,000 characters.
    """

    before: Run
    after: Run
    fields: Annotated[list[ChangedField], Meta(description="Status, error, inputs, outputs, answer, tokens, steps.")]
    nodes: Annotated[list[ExecutionDifference], Meta(description="In order of start; the first 500.")]
    more_nodes: Annotated[int, Meta(description="Number of further nodes that differ.")]
    same: Annotated[int, Meta(description="Number of identical node executions.")]


class ComparedTo(Struct):
    to: Annotated[Id | None, Meta(description="An earlier run; default: the one that this run retries.")] = None


@VisitorRoute("GET", "runs/{run_id}/diff", (400, 404, 409, 503), scope="runs:read")
async def compare_run(call: ConsoleRequest, asked: ComparedTo) -> RunDifferences:
    """Compare a run with an earlier one, like `jikko runs diff`."""
    api, record = call.request.api, await record_of(call)
    to = asked.to or record.identity.retry_of
    if not to:
        raise InvalidParam("to: the run to compare with is required, since this run is not a retry")
    earlier = await api.runs.records.any_record(to)
    found = await compare_runs(call.console.run_store, api.conversations, earlier, record)
    shown = await call.console.runs.shown([earlier, record])
    now = api.clock()
    before, after = (run_body(run, now) for run in shown)
    nodes = [
        ExecutionDifference(
            node.node,
            node.title,
            list(node.rounds),
            node.change,
            [_cut(field) for field in node.fields[:_MAX_FIELDS]],
            list(node.seconds) if node.change == "changed" else [],
        )
        for node in found.nodes[:_MAX_NODES]
    ]
    fields = [_cut(field) for field in found.fields[:_MAX_FIELDS]]
    return RunDifferences(before, after, fields, nodes, len(found.nodes) - len(nodes), found.same)


@VisitorRoute(
    "GET", "runs/{run_id}/test", answers={200: "application/yaml"}, errors=(404, 409, 413, 503), scope="runs:read"
)
async def make_test(call: ConsoleRequest) -> SendableResponse:
    """Make a test file of a run, like `jikko runs save`, for the file of its version (`…/source`) beside it.

    Runs with uploaded files, or with a test larger than 1 MB, are refused: use the command instead.
    """
    api, record = call.request.api, await record_of(call)
    require_testable(record)
    app = await api.apps.find(record.identity.app_id)
    version = await api.apps.version(app, record.identity.workflow_id)
    workflow = await api.workflows.get(app, version.id)
    case = await saved_case(call.console.run_store, api.conversations, workflow, record, _unsaved)
    name = f"run-{record.identity.run_id[-12:]}.test.yml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    test = {"workflow": f"version-{version.number}.yml", "cases": [case]}
    content = await run_in_thread(_test_file, test, queue="records")
    return Response(content, headers=headers, media_type=b"application/yaml")


def _test_file(test: Mapping[str, Any]) -> bytes:
    if len(encode_json(test)) > _MAX_TEST:
        raise PayloadTooLarge("The test would be larger than 1 MB: use `jikko runs save`.")
    return as_test_file(test)


async def _unsaved(files: Mapping[str, dict[str, Json]]) -> Mapping[str, str]:
    raise Conflict(f"The run has {len(files)} uploaded files, which a test needs: use `jikko runs save`.")


def _cut(field: ChangedField) -> ChangedField:
    return ChangedField(field.path, _short(field.before), _short(field.after))


def _short(value: Json) -> Json:
    whole = encode_json(value)
    if len(whole) <= MAX_WHOLE_BYTES:
        return value
    text = value if isinstance(value, str) else whole[: 4 * _MAX_CHARACTERS].decode(errors="ignore")
    return f"{text[:_MAX_CHARACTERS]}…"


_MAX_RUNS: Final = 500
_MAX_EVENTS: Final = 300_000
"""Limit of events read: the run that reaches it is the last one."""
_MAX_PAGES: Final = 20
"""Limit of pages read: among many runs of other versions, pages may be short."""
_ENDED: Final[tuple[RunStatus, ...]] = ("succeeded", "partial-succeeded", "failed", "stopped")


class BranchCoverage(Struct):
    handle: Annotated[str, Meta(description="`sourceHandle` of its edges; `__timeout` for forms, `fail-branch`.")]
    times: Annotated[int, Meta(description="Number of times taken.")]


class NodeCoverage(Struct):
    id: str
    title: str
    times: Annotated[int, Meta(description="Number of executions, counting each round of a container.")]
    branches: Annotated[list[BranchCoverage], Meta(description="Its branches, if several.")]


class RunCoverage(Struct):
    """Coverage of a version by its runs."""

    runs: Annotated[int, Meta(description="Number of runs read, newest first.")]
    unread: Annotated[int, Meta(description="Number of runs skipped because of damaged logs.")]
    nodes: Annotated[list[NodeCoverage], Meta(description="In the order of the file.")]


class CoverageChoice(VersionChoice):
    """Filter of runs."""

    limit: Annotated[int, Meta(ge=1, le=_MAX_RUNS, description="Number of runs to read; default 500.")] = _MAX_RUNS


@VisitorRoute("GET", "apps/{app_id}/coverage", (400, 404, 503), scope="runs:read")
async def read_coverage(call: ConsoleRequest, asked: CoverageChoice) -> RunCoverage:
    """Count how often the newest runs of a version reached its nodes and branches.

    Ended runs only. Fewer than `limit` are read if their logs exceed 300,000 events.
    """
    app = await app_of(call)
    version = await version_of(call, app, asked.version)
    workflow = await call.request.api.workflows.get(app, version.id)
    titles = {node.id: node.title for node in workflow.graph.nodes.values()}
    coverage = Coverage(app.name, version.source, workflow.document, titles)
    wanted = RunFilter(app_id=app.id, workflow_id=version.id, statuses=_ENDED)
    looked_at = unread = events = 0
    for record in await _newest(call, wanted, asked.limit):
        try:
            read = await _add(coverage, call.console.run_store, record)
        except LogDamaged:
            unread += 1
            continue
        looked_at, events = looked_at + (read > 0), events + read
        if events >= _MAX_EVENTS:
            break
    nodes = await run_in_thread(_nodes, coverage, queue="records")
    return RunCoverage(looked_at, unread, nodes)


async def _newest(call: ConsoleRequest, wanted: RunFilter, limit: int) -> Sequence[RunRecord]:
    found: list[RunRecord] = []
    behind = None
    for _ in range(_MAX_PAGES):
        page = await call.console.runs.pages.page(wanted, behind=behind, limit=limit - len(found))
        found += page.records
        behind = page.next
        if behind is None or len(found) >= limit:
            break
    return found


async def _add(coverage: Coverage, store: RunStore, record: RunRecord) -> int:
    """Count a run, and return its number of events. Raises ``LogDamaged`` before counting anything."""
    events = await store.events(record.identity.run_id)
    read = len(events)
    await run_in_thread(lambda log: coverage.add(giving_way(log)), events, queue="records")
    await free_in_slices(events)
    return read


def _nodes(coverage: Coverage) -> list[NodeCoverage]:
    nodes: list[NodeCoverage] = []
    for branch in coverage.branches():
        if branch.handle:
            nodes[-1].branches.append(BranchCoverage(branch.handle, branch.times))
        else:
            nodes.append(NodeCoverage(branch.node, branch.title, branch.times, []))
    return nodes
