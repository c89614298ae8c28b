"""Runs within runs that another process has than the one where their caller waits. In virtual time."""

import asyncio

from jikko.apps.versions import Workflows
from jikko.events import RunFinished
from jikko.ports.app_calls import InnerCall, InnerOutcome
from jikko.runs.inner_runs import InnerRuns
from tests.acceptance.workflows import end, node, start
from tests.runs.processes import Case, Process
from tests.virtual_time import run


def inner_runs(case: Case, process: Process) -> InnerRuns:
    workflows = Workflows(case.app_store, process.classes)
    return InnerRuns(
        lambda: process.runs, store=process.store, apps=case.app_store, workflows=workflows, clock=case.now
    )


async def waiting(case: Case) -> tuple[Process, "asyncio.Task[InnerOutcome]"]:
    """A process that waits for an inner run, which another has: the same call began it there."""
    case.slowest_node = 100.0
    first, second = await case.start(), await case.start()
    nodes = [start("q"), *(node(name, "code", value=name) for name in ("a", "b", "c")), end(out="c.value")]
    await case.publish("Inner", nodes, "start>a>b>c>end")
    app = await inner_runs(case, first).find("Inner")
    assert app is not None
    call = InnerCall(app, {"q": "声"}, [], "ada", "id of ada", "outer/tool", 1)
    begun = asyncio.create_task(inner_runs(case, first).run(call))
    await asyncio.sleep(1)
    calling = asyncio.create_task(inner_runs(case, second).run(call))
    await asyncio.sleep(1)
    assert not begun.done()
    assert not calling.done()
    return second, calling


async def how_it_ended(case: Case) -> str:
    """The status in the end of the one run that there is."""
    [record] = await case.store.open_runs()
    async with asyncio.timeout(1000):
        last = await case.processes[0].runs.control.reader(record).ended()
    assert isinstance(last, RunFinished)
    return last.status


def test_one_whose_caller_is_cancelled_is_stopped_wherever_it_is() -> None:
    async def cancels() -> None:
        case = Case(1)
        _, calling = await waiting(case)

        calling.cancel()

        assert await how_it_ended(case) == "stopped"
        await case.close()

    run(cancels())


def test_one_whose_caller_is_left_to_the_next_process_goes_on() -> None:
    async def ends() -> None:
        case = Case(1)
        second, calling = await waiting(case)

        await second.runs.close(0)
        calling.cancel()

        assert await how_it_ended(case) == "succeeded"
        await case.close()

    run(ends())
