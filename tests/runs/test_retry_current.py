"""Repeating a run by the current version of its app."""

from typing import Any

import pytest

from jikko.errors import InvalidParam
from jikko.events import RunStarted
from jikko.repositories.app_store import App
from tests.acceptance.workflows import end, node, start
from tests.runs.world import Process, World, end_of

pytestmark = pytest.mark.anyio


def nodes(**values: Any) -> list[dict[str, Any]]:
    found = [start("q"), *(node(name, "code", value=value) for name, value in values.items())]
    return [*found, end(out=f"{list(values)[-1]}.value")]


async def failed(world: World, process: Process, app: App, at: str = "c") -> str:
    world.script.failing = {at}
    run = await process.start(app, q="x")
    await end_of(run)
    world.script.failing = set()
    world.script.ran.clear()
    return (await world.ended(run.record.identity.run_id)).identity.run_id


EDGES = "start>a a>b b>c c>end"


async def test_what_unchanged_nodes_did_is_taken_over_and_the_fixed_one_runs(world: World) -> None:
    process = world.process()
    run_id = await failed(world, process, await world.app("X", nodes(a=1, b=2, c=3), EDGES))
    app = await world.app("X", nodes(a=1, b=2, c=4), EDGES)

    run = await process.retries.retry(app, run_id, current=True)

    assert (await end_of(run)).outputs == {"out": 4}
    assert dict(world.script.ran) == {"c": 1}
    assert run.record.identity.workflow_id == app.workflow_id


async def test_a_changed_node_runs_again_with_all_behind_it(world: World) -> None:
    process = world.process()
    run_id = await failed(world, process, await world.app("X", nodes(a=1, b=2, c=3), EDGES))
    app = await world.app("X", nodes(a=1, b=7, c=3), EDGES)

    await end_of(await process.retries.retry(app, run_id, current=True))

    assert dict(world.script.ran) == {"b": 1, "c": 1}


async def test_a_node_that_was_put_in_between_runs(world: World) -> None:
    process = world.process()
    run_id = await failed(world, process, await world.app("X", nodes(a=1, c=3), "start>a a>c c>end"))
    app = await world.app("X", nodes(a=1, b=2, c=3), EDGES)

    await end_of(await process.retries.retry(app, run_id, current=True))

    assert dict(world.script.ran) == {"b": 1, "c": 1}


async def test_a_run_that_succeeded_is_repeated_only_if_something_changed(world: World) -> None:
    process = world.process()
    app = await world.app("X", nodes(a=1), "start>a a>end")
    run = await process.start(app, q="x")
    await end_of(run)
    run_id = run.record.identity.run_id

    with pytest.raises(InvalidParam):
        await process.retries.retry(app, run_id, current=True)
    changed = await world.app("X", nodes(a=2), "start>a a>end")
    again = await process.retries.retry(changed, run_id, current=True)

    assert (await end_of(again)).outputs == {"out": 2}


async def test_another_start_node_begins_at_the_inputs_as_it_wants_them(world: World) -> None:
    process = world.process()
    run_id = await failed(world, process, await world.app("X", nodes(a=1, b=2, c=3), EDGES))
    other = nodes(a=1, b=2, c=3)
    other[0] = start("q", "more")
    app = await world.app("X", other, EDGES)

    run = await process.retries.retry(app, run_id, current=True)
    await end_of(run)

    assert dict(world.script.ran) == {"a": 1, "b": 1, "c": 1}
    [began] = [event for event in run.events if isinstance(event, RunStarted)]
    assert began.inputs == {"q": "x", "more": None}
    other[0] = start("q", "more", required=True)
    strict = await world.app("X", other, EDGES)
    with pytest.raises(InvalidParam, match="do not fit the current version: more is required"):
        await process.retries.retry(strict, run_id, current=True)


async def test_without_it_the_version_of_the_run_is_repeated(world: World) -> None:
    process = world.process()
    first = await world.app("X", nodes(a=1, b=2, c=3), EDGES)
    run_id = await failed(world, process, first)
    app = await world.app("X", nodes(a=1, b=2, c=4), EDGES)

    run = await process.retries.retry(app, run_id)

    assert (await end_of(run)).outputs == {"out": 3}
    assert run.record.identity.workflow_id == first.workflow_id
