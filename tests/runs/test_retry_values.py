"""Retrying a run with external values, replacing recorded ones, and those of skipped nodes."""

import json
from typing import Any

import pytest

from jikko.errors import InvalidParam
from jikko.events import NodeFinished, RunFinished, RunRetried, RunStarted
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.retry_values import Outputs, RepeatedRun, RetryValues
from tests.acceptance.workflows import end, first_of, if_contains, iteration, node, start
from tests.runs.world import Process, World, end_of, until

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["memory", "disk"], indirect=True)]

LOOK = "about 📖 \ue000 " + "あ" * 1_000


async def checks(world: World, look: str = LOOK) -> App:
    """`look` looks something up, `judge` reads it and what was asked, `path` goes one of two ways by that."""
    nodes = [
        start("q", required=True),
        node("look", "code", value=look),
        first_of("judge", "look.value", "start.q"),
        if_contains("path", "judge.output", "fine"),
        node("yes", "code", title="Yes 🎉", value="yes"),
        node("no", "code", value="no"),
        first_of("both", "yes.value", "no.value"),
        end(out="both.output", judged="judge.output"),
    ]
    edges = "start>look look>judge judge>path path:true>yes path:false>no yes>both no>both both>end"
    return await world.app("Checks", nodes, edges)


async def first_run(world: World, process: Process, app: App, **inputs: Any) -> RunRecord:
    run = await process.start(app, **inputs)
    await end_of(run)
    world.script.ran.clear()
    return await world.ended(run.record.identity.run_id)


async def repeated(
    world: World,
    process: Process,
    app: App,
    first: RunRecord,
    values: Outputs | None = None,
    mocks: Outputs | None = None,
    from_node: str | None = None,
) -> RunRecord:
    given = RetryValues(values or {}, mocks or {})
    run = await process.retries.retry(app, first.identity.run_id, from_node=from_node, given=given)
    return await world.ended(run.record.identity.run_id)


async def outputs(world: World, record: RunRecord) -> dict[str, Any]:
    [last] = [event for event in await world.store.events(record.identity.run_id) if isinstance(event, RunFinished)]
    return last.outputs


async def test_a_node_runs_again_with_another_input_and_all_behind_it(world: World) -> None:
    look = LOOK * 1_000
    app, process = await checks(world, look), world.process()
    first = await first_run(world, process, app, q="x")
    new = "fine 🎉 \ue001 " + "漢" * 1_000_000
    again = await repeated(world, process, app, first, {"look": {"value": new}}, from_node="judge")

    assert await outputs(world, again) == {"out": "yes", "judged": new}
    assert dict(world.script.ran) == {"yes": 1}
    lineage = await process.retries.lineage(again)
    assert (lineage.from_nodes, lineage.replaced, lineage.mocked) == (["judge"], {"look": ["value"]}, [])
    assert (await outputs(world, first))["judged"] == look


async def test_a_node_that_is_mocked_does_not_run_and_what_reads_it_does(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    again = await repeated(world, process, app, first, mocks={"look": {"value": "fine"}})

    assert await outputs(world, again) == {"out": "yes", "judged": "fine"}
    assert dict(world.script.ran) == {"yes": 1}
    lineage = await process.retries.lineage(again)
    assert (lineage.from_nodes, lineage.replaced, lineage.mocked) == (["look"], {}, ["look"])


async def test_the_node_that_failed_can_be_mocked(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.failing = {"b"}
    first = await first_run(world, process, app, q="x")
    again = await repeated(world, process, app, first, mocks={"b": {"value": "b"}})

    assert (again.status, dict(world.script.ran)) == ("succeeded", {"c": 1})


async def test_a_mock_may_fail(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await first_run(world, process, app, q="x")
    again = await repeated(world, process, app, first, mocks={"b": {"error": "429 — 混雑"}})

    assert (again.status, again.error) == ("failed", "429 — 混雑")


async def test_the_inputs_of_the_run_can_be_replaced_as_its_form_takes_them(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    values: Outputs = {"start": {"q": "fine"}}
    again = await repeated(world, process, app, first, values, {"look": {"value": ""}}, from_node="start")

    assert json.loads(again.inputs)["q"] == "fine"
    assert dict(world.script.ran) == {"no": 1}
    with pytest.raises(InvalidParam, match=r"values: start\.q must be of the type string"):
        await repeated(world, process, app, first, {"start": {"q": 5}}, from_node="start")
    with pytest.raises(InvalidParam, match="values: start: q is required in input form"):
        await repeated(world, process, app, first, {"start": {"q": None}}, from_node="start")


async def test_a_branch_goes_the_way_that_its_mock_says(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    again = await repeated(world, process, app, first, mocks={"path": {"selected_case_id": "true"}})

    assert (await outputs(world, again))["out"] == "yes"


async def test_a_mock_stands_for_a_node_within_a_container(world: World) -> None:
    nodes = [
        start("q"),
        node("list", "code", value=["a", "b"]),
        *iteration("each", "list.value", "inner.value", node("inner", "code", value="real")),
        end(out="each.output"),
    ]
    app, process = (
        await world.app("Container", nodes, "start>list list>each each-start>inner each>end"),
        world.process(),
    )
    first = await first_run(world, process, app, q="x")
    again = await repeated(world, process, app, first, mocks={"inner": {"value": "given"}})

    assert await outputs(world, again) == {"out": ["given", "given"]}
    assert dict(world.script.ran) == {}
    assert (await process.retries.lineage(again)).from_nodes == ["each"]


async def test_what_was_given_outlives_the_process_and_repeats_of_it(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    world.script.held = {"yes"}
    given = RetryValues({"look": {"value": "fine"}}, {"both": {"output": "given"}})
    run = await process.retries.retry(app, first.identity.run_id, from_node="judge", given=given)
    await until(lambda: world.script.ran["yes"] == 1)
    await process.die()
    heir = world.process()
    await heir.runs.control.take_over()
    await until(lambda: world.script.ran["yes"] == 2)
    world.script.release("yes")
    record = await world.ended(run.record.identity.run_id)

    assert await outputs(world, record) == {"out": "given", "judged": "fine"}
    log = await world.store.events(record.identity.run_id)
    began = log[0]
    assert isinstance(began, RunStarted)
    assert began.mocks == {"both": {"output": "given"}}
    assert [event.replaced for event in log if isinstance(event, RunRetried)] == [{"look": ["value"]}]
    # A repeat without mocks runs for itself; what was given before it is what was recorded.
    third = await repeated(world, heir, app, record, from_node="path")
    assert await outputs(world, third) == {"out": "yes", "judged": "fine"}


async def test_all_that_is_wrong_is_said_at_once_and_nothing_runs(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    values: Outputs = {
        "lok": {"value": "x"},
        "both": {"output": "x"},
        "look": {"valu": "x", "value": 5},
        "sys": {"user_id": "root"},
    }
    mocks: Outputs = {
        "yess": {"value": "x"},
        "path": {"text": "x"},
        "start": {"q": "x"},
        "judge": {"output": ["x"]},
    }
    with pytest.raises(InvalidParam) as refused:
        await repeated(world, process, app, first, values, {**mocks, "judge": {"output": 5}}, from_node="judge")

    assert str(refused.value).split("; ") == [
        "mocks: no node has the id or title 'yess' (did you mean 'yes'?)",
        "mocks: 'start' is where the run begins: give its values instead of a mock",
        "mocks: judge.output must be of the type string, as in the retried run",
        "mocks: 'path': The outputs of a mocked branch must choose a branch: give it class_id or selected_case_id or "
        "__action_id. It is left by true or false",
        "values: no node 'lok' (did you mean 'look'?)",
        "values: 'both' runs again: mock it, to give its outputs",
        "values: nothing that runs again reads look.valu (of 'look' it reads value)",
        "values: look.value must be of the type string, as in the retried run",
        "values: nothing that runs again reads sys.user_id (of 'sys' it reads nothing)",
    ]
    assert refused.value.code == "invalid_param"
    with pytest.raises(InvalidParam, match=r"'path' is not left by 'maybe'\. It is left by true or false"):
        await repeated(world, process, app, first, mocks={"path": {"selected_case_id": "maybe"}})
    contradicting: Outputs = {
        "look": {"error": None},
        "path": {"result": True, "selected_case_id": "false"},
        "yes": {"value": "x"},
        "Yes 🎉": {"value": "y"},
    }
    with pytest.raises(InvalidParam) as refused:
        await repeated(world, process, app, first, mocks=contradicting)
    assert str(refused.value).split("; ") == [
        "mocks: 'yes' is given by its title 'Yes 🎉', too: give it once",
        "mocks: 'look': error must be a text",
        "mocks: 'path': result and selected_case_id contradict each other",
    ]
    assert dict(world.script.ran) == {}
    assert await world.store.retries(first.identity.run_id) == []


async def test_a_run_that_was_stopped_between_nodes_can_be_given_what_is_left_reads(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    log = await world.store.events(first.identity.run_id)
    began = log[0]
    assert isinstance(began, RunStarted)
    ended = next(at for at, event in enumerate(log) if isinstance(event, NodeFinished) and event.node_id == "look")
    left = RepeatedRun(await process.workflows.get(app), log[: ended + 1], began, [])

    assert left.read() == {"look": {"value": LOOK}, "start": {"q": "x"}}
    assert [each.id for each in left.mockable()] == ["judge", "path", "yes", "no", "both"]
    assert left.checked(RetryValues({"look": {"value": "fine"}}, {"Yes 🎉": {"value": "y"}})).mocks == {
        "yes": {"value": "y"}
    }


async def test_the_file_of_another_cannot_be_given(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    file = {"dify_model_identity": "__dify__file__", "transfer_method": "local_file", "related_id": "1"}
    for given in ({"value": file}, {"value": "x", "more": {"deep": [[file]]}}):
        with pytest.raises(InvalidParam, match="a file must be one of the retried run"):
            await repeated(world, process, app, first, mocks={"look": given})


async def test_a_value_nested_too_deeply_is_refused(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    deep: Any = "x"
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(InvalidParam, match="mocks: look: nested too deeply"):
        await repeated(world, process, app, first, mocks={"look": {"value": deep}})


async def test_the_plan_has_what_is_read_and_what_can_be_mocked(world: World) -> None:
    app, process = await checks(world), world.process()
    first = await first_run(world, process, app, q="x")
    plan = await process.retries.plan(app, first, from_node="judge")

    assert plan.read == {"look": {"value": LOOK}, "start": {"q": "x"}}
    assert [(each.id, each.handles) for each in plan.mockable] == [
        ("judge", ()),
        ("path", ["true", "false"]),
        ("yes", ()),
        ("no", ()),
        ("both", ()),
    ]
    assert [each.outputs for each in plan.mockable][3:] == [{"value": "no", "times": 1}, {"output": "no"}]
    assert plan.mockable[2].outputs is None
    assert (await process.retries.plan(app, first, from_node="start")).read == {"start": {"q": "x"}}
