"""A run that executes at another process is stopped once, and that is told, though its answer does not come."""

import asyncio
from typing import Any

import pytest

from jikko.ports.stores.app_store import App
from tests.acceptance.workflows import end, node, start
from tests.runs.processes import Case, Process
from tests.virtual_time import run


async def two_with_a_run(case: Case) -> tuple[Process, Process, App, str]:
    """Two processes, and a run at the first that will take a long time."""
    case.slowest_node = 1e6
    here, other = await case.start(), await case.start()
    app = await case.publish("a", [start(), node("slow", "code", value=1), end(value="slow.value")], "start>slow>end")
    run_id = await here.begin(app)
    return here, other, app, run_id


def lose_answers(process: Process) -> None:
    """What the process asks comes to the others; what they answer does not come back."""
    ask = process.cluster.request

    async def request(*values: Any) -> None:
        await ask(*values)

    # Of this process alone: what others of the cluster ask goes its way.
    process.cluster.request = request  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("loses", [False, True])
def test_a_stop_whose_answer_is_lost_is_told_as_done(loses: bool) -> None:
    async def stops() -> None:
        case = Case(1)
        _, other, app, run_id = await two_with_a_run(case)
        if loses:
            lose_answers(other)

        assert await other.runs.control.stop(app.id, run_id, "bob")

        record = await case.store.record(run_id)
        assert record is not None
        assert (record.status, record.error) == ("stopped", "Workflow run was stopped by user bob.")
        await case.close()

    run(stops())


def test_one_that_another_has_stopped_meanwhile_was_not_stopped_by_this_one() -> None:
    async def stops() -> None:
        case = Case(1)
        here, other, app, run_id = await two_with_a_run(case)
        lose_answers(other)

        async def quicker(*_: Any) -> None:
            assert await here.runs.control.stop(app.id, run_id, "anna")

        # Of this process alone: what others of the cluster ask goes its way.
        other.cluster.request = quicker  # type: ignore[method-assign, assignment]
        assert not await other.runs.control.stop(app.id, run_id, "bob")
        assert not await other.runs.control.stop(app.id, run_id, "bob")

        record = await case.store.record(run_id)
        assert record is not None
        assert record.error == "Workflow run was stopped by user anna."
        await case.close()

    run(stops())


def test_a_run_that_was_removed_meanwhile_is_none_that_was_stopped() -> None:
    async def stops() -> None:
        case = Case(1)
        _, other, app, run_id = await two_with_a_run(case)

        async def removes(*_: Any) -> None:
            del case.store._records[run_id]

        # Of this process alone: what others of the cluster ask goes its way.
        other.cluster.request = removes  # type: ignore[method-assign, assignment]
        assert not await other.runs.control.stop(app.id, run_id, "bob")
        await asyncio.sleep(1)
        await case.close()

    run(stops())


def test_a_run_whose_holder_stands_still_is_stopped_without_it() -> None:
    async def stops() -> None:
        case = Case(1)
        here, other, app, run_id = await two_with_a_run(case)
        here.freeze()
        loop = asyncio.get_running_loop()
        began = loop.time()

        assert await other.runs.control.stop(app.id, run_id, "bob")

        assert loop.time() - began < 2 * other.cluster.patience
        record = await case.store.record(run_id)
        assert record is not None
        assert record.status == "stopped"
        await case.close()

    run(stops())
