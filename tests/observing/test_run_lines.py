"""Which lines of the log a run has."""

import logging
from typing import Any

import pytest

from jikko.observing.log_lines import RunLines
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio


def logged(caplog: pytest.LogCaptureFixture, message: str) -> list[tuple[str, dict[str, Any]]]:
    """Level and fields of the lines with a message."""
    return [
        (record.levelname, record.__dict__["fields"])
        for record in caplog.records
        if record.name == "jikko.runs" and record.getMessage() == message
    ]


async def run_of(world: World, *, each: bool = True) -> tuple[str, str]:
    """Ids of run and app, the run having ended."""
    app = await world.chain()
    run_id = (await world.process(RunLines(each=each)).start(app)).record.identity.run_id
    await world.ended(run_id)
    return run_id, app.id


async def test_one_line_tells_that_a_run_has_ended(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run_id, app_id = await run_of(world)

    await until(lambda: bool(logged(caplog, "run ended")))
    [(level, fields)] = logged(caplog, "run ended")
    assert level == "INFO"
    assert fields.pop("seconds") >= 0
    assert fields == {"run": run_id, "app": app_id, "status": "succeeded", "nodes": 5, "tokens": 0}


async def test_none_if_that_is_not_wanted(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    observer = RunLines(each=False)
    app, process = await world.chain(), world.process(observer)
    run_id = (await process.start(app)).record.identity.run_id
    await world.ended(run_id)
    await until(lambda: not process.runs.executor.executes(run_id))

    assert logged(caplog, "run ended") == []


@pytest.mark.parametrize("each", [True, False])
async def test_one_that_failed_is_always_told_with_its_node_and_without_what_it_said(
    world: World, caplog: pytest.LogCaptureFixture, each: bool
) -> None:
    world.script.failing = {"b"}
    run_id, _ = await run_of(world, each=each)

    await until(lambda: bool(logged(caplog, "run ended")))
    [(level, fields)] = logged(caplog, "run ended")
    assert (level, fields["run"], fields["status"], fields["node"]) == ("WARNING", run_id, "failed", "b")
    assert fields["node_type"]
    record = await world.store.record(run_id)
    assert record is not None
    assert record.error
    assert record.error not in caplog.text


async def test_a_run_that_another_process_goes_on_with_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    app, before = await world.chain(), world.process()
    run_id = (await before.start_until(app, "b")).record.identity.run_id
    await world.process(RunLines(each=True)).runs.control.take_over()
    await until(lambda: world.script.ran["b"] == 2)
    world.script.release("b")
    await world.ended(run_id)

    await until(lambda: bool(logged(caplog, "run ended")))
    [(_, fields)] = logged(caplog, "run taken over")
    assert (fields["run"], fields["epoch"], fields["under_way"]) == (run_id, 2, 1)
