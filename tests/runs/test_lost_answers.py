"""Actions on a run of another process happen once, and are reported, even if the answer is lost."""

import asyncio
from typing import Any

import pytest

from jikko.errors import TooLate
from jikko.events import FormClosed, FormRequested
from jikko.ports.cluster import Answer
from jikko.repositories.app_store import App
from tests.acceptance.workflows import end, form, node, start
from tests.runs.processes import Case, Process
from tests.virtual_time import run


async def two_with_a_run(case: Case) -> tuple[Process, Process, App, str]:
    """Two processes, and a run at the first that will take a long time."""
    case.slowest_node = 1e6
    here, other = await case.start(), await case.start()
    app = await case.publish("a", [start(), node("slow", "code", value=1), end(value="slow.value")], "start>slow>end")
    run_id = await here.begin(app)
    return here, other, app, run_id


def lose_answers(process: Process, first: int | None = None) -> None:
    """What the process asks comes to the others; what they answer does not come back, or not the first few times."""
    ask, asked = process.cluster.request, 0

    async def request(*values: Any) -> Answer:
        nonlocal asked
        asked += 1
        answer = await ask(*values)
        return None if first is None or asked <= first else answer

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

        async def nothing(*_: Any) -> None: ...

        async def removes(*_: Any) -> None:
            case.store.record = nothing  # type: ignore[method-assign, assignment]

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


async def two_with_a_form(case: Case) -> tuple[Process, Process, App, str, str]:
    """Two processes, and a run at the first that goes on for a long time beside an open form; its id, and the token."""
    case.slowest_node = 1e6
    here, other = await case.start(), await case.start()
    nodes = [start("q"), form("ask", "承認?"), node("slow", "code", value=1), end(said="ask.comment")]
    app = await case.publish("a", nodes, "start>ask start>slow ask:yes>end slow>end")
    run_id = await here.begin(app)
    reader = here.runs.control.reader(await here.runs.records.record(app.id, run_id))
    events = (event async for batch in reader.follow(durable=True) for _, event in batch)
    asked = await anext(event async for event in events if isinstance(event, FormRequested))
    return here, other, app, run_id, asked.form["form_token"]


@pytest.mark.parametrize("lost", [1, None])
def test_a_form_whose_answer_is_lost_is_told_as_submitted(lost: int | None) -> None:
    async def submits() -> None:
        case = Case(1)
        _, other, app, run_id, token = await two_with_a_form(case)
        lose_answers(other, lost)

        await other.forms.submit(app.id, token, "yes", {"comment": "良い"}, "")

        closed = [event for event in await case.store.events(run_id) if isinstance(event, FormClosed)]
        assert [(event.action_id, event.data) for event in closed] == [("yes", {"comment": "良い"})]
        await case.close()

    run(submits())


def test_one_that_another_has_submitted_meanwhile_was_not_submitted_by_this_one() -> None:
    async def submits() -> None:
        case = Case(1)
        here, other, app, run_id, token = await two_with_a_form(case)
        ask = other.cluster.request

        async def late(*values: Any) -> Answer:
            await here.forms.submit(app.id, token, "yes", {"comment": "先"}, "")
            other.cluster.request = ask  # type: ignore[method-assign]
            return None

        # Of this process alone: what others of the cluster ask goes its way.
        other.cluster.request = late  # type: ignore[method-assign, assignment]
        with pytest.raises(TooLate, match="already been submitted by another user"):
            await other.forms.submit(app.id, token, "yes", {"comment": "後"}, "")

        closed = [event for event in await case.store.events(run_id) if isinstance(event, FormClosed)]
        assert [event.data for event in closed] == [{"comment": "先"}]
        await case.close()

    run(submits())
