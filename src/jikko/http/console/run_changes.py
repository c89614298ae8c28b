"""Changes between two runs, and a test that allows none."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from jikko.concurrency.run_in_thread import run_in_thread
from jikko.console.truncation import MAX_WHOLE_BYTES
from jikko.errors import Conflict, InvalidParam, PayloadTooLarge
from jikko.http.console.console_runs import record_of
from jikko.http.console.run_bodies import Run, run_body
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.queries import Id
from jikko.http.responses import Response, SendableResponse
from jikko.proving.run_difference import compare_runs
from jikko.proving.saved_case import as_test_file, require_testable, saved_case
from jikko.runs.reading.field_changes import Change, ChangedField
from jikko.values import Json, encode_json

_MAX_NODES: Final = 500
_MAX_FIELDS: Final = 50
_MAX_CHARACTERS: Final = 1000
"""Characters of a value that is cut."""
_MAX_TEST: Final = 1_000_000
"""Bytes of a test as JSON: of 100,000 objects it takes two seconds to write."""


class ExecutionDifference(Struct):
    """A node that ran in one of the runs only, or otherwise."""

    node_id: str
    title: str
    rounds: Annotated[list[int], Meta(description="Of the containers around it, outermost first, from 0.")]
    change: Change
    fields: Annotated[list[ChangedField], Meta(description="The first 50.")]
    seconds: Annotated[list[float], Meta(description="How long it took before and after, if it ran in both.")]


class RunDifferences(Struct):
    """What a run did otherwise than another. Ids, times and how long it took are no difference.

    Of values above 4 kB the first 1,000 characters are told.
    """

    before: Run
    after: Run
    fields: Annotated[list[ChangedField], Meta(description="Status, error, inputs, outputs, answer, tokens, steps.")]
    nodes: Annotated[list[ExecutionDifference], Meta(description="In the order in which they began; the first 500.")]
    more_nodes: Annotated[int, Meta(description="How many differ besides.")]
    same: Annotated[int, Meta(description="Node executions that did the same.")]


class ComparedTo(Struct):
    """With which run a run is compared."""

    to: Annotated[Id | None, Meta(description="An earlier run; by default the one that this one repeats.")] = None


@VisitorRoute("GET", "runs/{run_id}/diff", (400, 404, 409, 503), scope="runs:read")
async def compare_run(call: ConsoleRequest, asked: ComparedTo) -> RunDifferences:
    """What a run did otherwise than an earlier one, as `jikko runs diff` tells it."""
    api, record = call.request.api, await record_of(call)
    to = asked.to or record.identity.retry_of
    if not to:
        raise InvalidParam("to: name the run to compare with; this one repeats none")
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
    """A test file of a run, as `jikko runs save` makes it, for the file of its version (`…/source`) beside it.

    A run that was given uploaded files, or whose test is larger than 1 MB, is refused: the command saves it.
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
        raise PayloadTooLarge("The test of the run would be larger than 1 MB: use `jikko runs save`.")
    return as_test_file(test)


async def _unsaved(files: Mapping[str, dict[str, Json]]) -> Mapping[str, str]:
    raise Conflict(f"The run was given {len(files)} uploaded files, which a test needs: use `jikko runs save`.")


def _cut(field: ChangedField) -> ChangedField:
    return ChangedField(field.path, _short(field.before), _short(field.after))


def _short(value: Json) -> Json:
    whole = encode_json(value)
    if len(whole) <= MAX_WHOLE_BYTES:
        return value
    text = value if isinstance(value, str) else whole[: 4 * _MAX_CHARACTERS].decode(errors="ignore")
    return f"{text[:_MAX_CHARACTERS]}…"
