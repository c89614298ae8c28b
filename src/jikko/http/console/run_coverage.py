"""Coverage of a version by its recorded runs, as the console's graph shows it."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from jikko.concurrency.run_in_thread import free_in_slices, giving_way, run_in_thread
from jikko.errors import LogDamaged
from jikko.events import RunStatus
from jikko.http.console.console_apps import VersionChoice, version_of
from jikko.http.console.console_runs import app_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.ports.stores.run_pages import RunFilter
from jikko.ports.stores.run_store import RunStore
from jikko.proving.coverage import Coverage
from jikko.record import RunRecord

_MAX_RUNS: Final = 500
_MAX_EVENTS: Final = 300_000
"""Events that are read: behind the run that reaches them no other is looked at."""
_MAX_PAGES: Final = 20
"""Pages of runs that are asked for: among many runs of other versions, each may be short."""
_ENDED: Final[tuple[RunStatus, ...]] = ("succeeded", "partial-succeeded", "failed", "stopped")


class BranchCoverage(Struct):
    """A way out of a node."""

    handle: Annotated[str, Meta(description="As `sourceHandle` of edges; `__timeout` of a form, `fail-branch`.")]
    times: Annotated[int, Meta(description="How often it was taken.")]


class NodeCoverage(Struct):
    """A node that can run."""

    id: str
    title: str
    times: Annotated[int, Meta(description="How often it ended, each round of a container for itself.")]
    branches: Annotated[list[BranchCoverage], Meta(description="Its ways out if it has several.")]


class RunCoverage(Struct):
    """What runs of a version came to."""

    runs: Annotated[int, Meta(description="How many runs were looked at, the newest.")]
    unread: Annotated[int, Meta(description="Runs left out: their logs are damaged.")]
    nodes: Annotated[list[NodeCoverage], Meta(description="In the order of the file.")]


class CoverageChoice(VersionChoice):
    """Which runs are looked at."""

    limit: Annotated[int, Meta(ge=1, le=_MAX_RUNS, description="Runs that are looked at; default 500.")] = _MAX_RUNS


@VisitorRoute("GET", "apps/{app_id}/coverage", (400, 404, 503), scope="runs:read")
async def read_coverage(call: ConsoleRequest, asked: CoverageChoice) -> RunCoverage:
    """How often the newest runs of a version came to its nodes and branches.

    Of runs that have ended. Fewer than `limit` are looked at if their logs have more than 300,000 events.
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
    """Count a run. Returns how many events it has. Raises ``LogDamaged``: nothing of it was counted."""
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
