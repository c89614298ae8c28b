"""Apps of this server as tools of others: inner runs."""

import asyncio
import json
from pathlib import Path

import pytest

from jikko.assemble.assembly import Assembly
from jikko.events import RunFinished
from jikko.ports.app_calls import MAX_DEPTH
from jikko.ports.stores.run_store import LogQuery
from jikko.record import RunRecord
from tests.acceptance.workflows import app, end, fetch, form, if_contains, node, python, start, template
from tests.effort import PATIENCE
from tests.outbound.server import answer, serving
from tests.tools.running import Waiting, begun, installation, outer, publish, ran, tool

pytestmark = pytest.mark.anyio

INNER = {"inner": {"type": "workflow", "name": "inner", "app": "Inner", "parameters": [{"name": "q"}]}}
SHOUT = app("Inner", [start("q"), template("t", "{{ q }}!", q="start.q"), end(a="t.output")], "start>t t>end")
ASK = tool(given={"q": "start.q"})


async def records(assembly: Assembly, name: str) -> list[RunRecord]:
    """The runs of an app, newest first."""
    found = await assembly.apps.find(name)
    page = await assembly.store.list_runs(LogQuery(app_id=found.id))
    return list(page.records)


async def test_the_outputs_of_an_app_are_those_of_the_node(tmp_path: Path) -> None:
    async with installation(tmp_path, INNER) as assembly:
        await publish(assembly, SHOUT)
        await publish(assembly, outer(ASK, a="tool.a", text="tool.text", json="tool.json"))

        end_ = await ran(assembly, "Outer", q="声")

    assert end_.status == "succeeded", end_.error
    assert end_.outputs == {"a": "声!", "text": '{"a": "声!"}', "json": [{"a": "声!"}]}


async def test_an_inner_run_is_a_run_of_its_app_for_the_same_user(tmp_path: Path) -> None:
    async with installation(tmp_path, INNER) as assembly:
        await publish(assembly, SHOUT)
        await publish(assembly, outer(ASK))
        await ran(assembly, "Outer", q="a")

        [inner], [caller] = await records(assembly, "Inner"), await records(assembly, "Outer")

    assert (inner.status, inner.identity.user) == ("succeeded", "ada")
    assert inner.identity.end_user_id == caller.identity.end_user_id
    assert json.loads(inner.inputs)["q"] == "a"


async def test_an_inner_run_waits_for_no_slot_which_its_caller_holds(tmp_path: Path) -> None:
    async with installation(tmp_path, INNER, max_runs=1, max_runs_per_app=1) as assembly:
        await publish(assembly, SHOUT)
        await publish(assembly, outer(ASK))
        async with asyncio.timeout(PATIENCE):
            ends = await asyncio.gather(*(ran(assembly, "Outer", q=str(n)) for n in range(5)))

    assert {one.status for one in ends} == {"succeeded"}


async def test_workflows_may_call_each_other_some_levels_deep(tmp_path: Path) -> None:
    async with installation(tmp_path, INNER) as assembly:
        await publish(assembly, outer(ASK, name="Inner"))
        async with asyncio.timeout(PATIENCE):
            end_ = await ran(assembly, "Inner", q="a")

        assert end_.status == "failed"
        assert f"workflows may call each other {MAX_DEPTH} levels deep" in (end_.error or "")
        assert len(await records(assembly, "Inner")) == MAX_DEPTH + 1


async def test_a_workflow_that_calls_itself_six_deep_succeeds(tmp_path: Path) -> None:
    """As recorded of Dify, which has no limit: the seventh run within is the last."""
    less = python("less", "def main(q): return {'n': q[1:]}", {"n": "string"}, q="start.q")
    nodes = [
        start("q"),
        if_contains("if", "start.q", "下"),
        less,
        tool(given={"q": "less.n"}),
        end(n="tool.n", q="less.n"),
    ]
    edges = "start>if if:true>less less>tool tool>end if:false>last"
    async with installation(tmp_path, INNER) as assembly:
        await publish(assembly, app("Inner", [*nodes, end("last", n="start.q")], edges))
        await publish(assembly, outer(ASK))
        async with asyncio.timeout(PATIENCE):
            end_ = await ran(assembly, "Outer", q="下" * 6)

        assert end_.status == "succeeded", end_.error
        assert [one.status for one in await records(assembly, "Inner")] == ["succeeded"] * 7


async def test_what_fails_within_fails_the_node_and_an_error_strategy_takes_it(tmp_path: Path) -> None:
    broken = app("Inner", [start("q"), python("c", "def main(): 1/0", {}), end()], "start>c c>end")
    async with installation(tmp_path, INNER) as assembly:
        await publish(assembly, broken)
        await publish(assembly, outer(ASK))
        await publish(assembly, outer({**ASK, "data": {**ASK["data"], "error_strategy": "default-value"}}, name="Calm"))

        failed, calm = await ran(assembly, "Outer", q="a"), await ran(assembly, "Calm", q="a")

    assert failed.status == "failed"
    assert "Failed to invoke tool inner: " in (failed.error or "")
    assert "ZeroDivisionError" in (failed.error or "")
    assert calm.status == "partial-succeeded"


async def test_each_attempt_of_a_node_is_a_run_of_its_own(tmp_path: Path) -> None:
    broken = app("Inner", [start("q"), python("c", "def main(): 1/0", {}), end()], "start>c c>end")
    retry = {"retry_enabled": True, "max_retries": 2, "retry_interval": 1}
    async with installation(tmp_path, INNER) as assembly:
        await publish(assembly, broken)
        await publish(assembly, outer({**ASK, "data": {**ASK["data"], "retry_config": retry}}))
        await ran(assembly, "Outer", q="a")

        assert [one.status for one in await records(assembly, "Inner")] == ["failed"] * 3


async def test_inputs_are_checked_as_those_of_any_run(tmp_path: Path) -> None:
    needs = app("Inner", [start("q", required=True), end(q="start.q")], "start>end")
    async with installation(tmp_path, INNER) as assembly:
        await publish(assembly, needs)
        await publish(assembly, outer(tool(given={})))
        end_ = await ran(assembly, "Outer", q="a")

        assert end_.error == "q is required in input form"
        assert await records(assembly, "Inner") == []


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ([], "there is no workflow app of that name; import it: jikko apps import FILE"),
        ([app("Inner", [start("q"), form("f", "?"), end()], "start>f f>end")], "has human-input nodes"),
    ],
)
async def test_an_app_that_cannot_be_a_tool_is_told(published: list[str], message: str, tmp_path: Path) -> None:
    async with installation(tmp_path, INNER) as assembly:
        for text in (*published, outer(ASK)):
            await publish(assembly, text)
        end_ = await ran(assembly, "Outer", q="a")

    assert (end_.error or "").startswith("Failed to get tool runtime: ")
    assert message in (end_.error or "")


async def test_only_the_apps_that_are_named_may_use_an_app(tmp_path: Path) -> None:
    private = {"inner": {**INNER["inner"], "apps": {"Friend": {}}}}
    async with installation(tmp_path, private) as assembly:
        for text in (SHOUT, outer(ASK), outer(ASK, name="Friend")):
            await publish(assembly, text)

        stranger, friend = await ran(assembly, "Outer", q="a"), await ran(assembly, "Friend", q="a")

    assert "only for the apps that it names" in (stranger.error or "")
    assert friend.status == "succeeded"


async def test_a_file_that_an_inner_run_makes_can_be_read_by_its_caller(tmp_path: Path) -> None:
    nodes = [start("q"), fetch("get", "{{#start.q#}}"), end(f="get.files")]
    made = answer(b"made within", Content_Type="text/plain", Content_Disposition="attachment; filename=a.txt")
    extract = node("read", "document-extractor", variable_selector=["tool", "files"])
    async with (
        serving({"/a": made}) as server,
        installation(tmp_path, INNER) as assembly,
    ):
        await publish(assembly, app("Inner", nodes, "start>get get>end"))
        await publish(
            assembly, app("Outer", [start("q"), ASK, extract, end(t="read.text")], "start>tool tool>read read>end")
        )
        end_ = await ran(assembly, "Outer", q=server.url("/a"))

    assert (end_.status, end_.outputs) == ("succeeded", {"t": ["made within"]})


WAITS = app("Inner", [start("q"), fetch("get", "{{#start.q#}}"), end()], "start>get get>end")


async def ended(assembly: Assembly, inner: RunRecord) -> str:
    """The status of an inner run, once it has ended."""
    async with asyncio.timeout(PATIENCE):
        end_ = await assembly.runs.control.reader(inner).ended()
    assert isinstance(end_, RunFinished)
    return end_.status


async def test_stopping_the_caller_stops_what_runs_within(tmp_path: Path) -> None:
    waiting = Waiting()
    async with serving({"/wait": waiting.act}) as server, installation(tmp_path, INNER) as assembly:
        await publish(assembly, WAITS)
        await publish(assembly, outer(ASK))
        live = await begun(assembly, "Outer", q=server.url("/wait"))
        async with asyncio.timeout(PATIENCE):
            await waiting.asked.wait()
        owner = live.record.identity
        assert await assembly.runs.control.stop(owner.app_id, owner.run_id, "ada")

        [inner] = await records(assembly, "Inner")
        assert await ended(assembly, inner) == "stopped"
        async with asyncio.timeout(PATIENCE):
            await server.lost.wait()


async def test_the_deadline_of_the_caller_ends_what_runs_within(tmp_path: Path) -> None:
    waiting = Waiting()
    async with (
        serving({"/wait": waiting.act}) as server,
        installation(tmp_path, INNER, max_seconds=0.5) as assembly,
    ):
        await publish(assembly, WAITS)
        await publish(assembly, outer(ASK))
        end_ = await ran(assembly, "Outer", q=server.url("/wait"))
        while not waiting.asked.is_set():  # on a busy machine the time may be over before anything has begun within
            end_ = await ran(assembly, "Outer", q=server.url("/wait"))

        assert "Maximum execution time exceeded" in (end_.error or "")
        assert "succeeded" not in [await ended(assembly, inner) for inner in await records(assembly, "Inner")]


async def test_after_a_restart_the_caller_finds_the_run_that_it_had_begun(tmp_path: Path) -> None:
    waiting = Waiting()
    async with serving({"/wait": waiting.act}) as server:
        async with installation(tmp_path, INNER, in_memory=False) as assembly:
            await publish(assembly, WAITS)
            await publish(assembly, outer(ASK))
            live = await begun(assembly, "Outer", q=server.url("/wait"))
            async with asyncio.timeout(PATIENCE):
                await waiting.asked.wait()
            run_id, app_id = live.record.identity.run_id, live.record.identity.app_id
        # The process has ended in good order; the next one goes on with both runs.
        server.answers = {"/wait": answer(b"done")}
        async with installation(tmp_path, INNER, in_memory=False) as assembly:
            await assembly.runs.control.take_over()
            reader = assembly.runs.control.reader(await assembly.runs.records.record(app_id, run_id))
            async with asyncio.timeout(PATIENCE):
                end_ = await reader.ended()

            assert isinstance(end_, RunFinished)
            assert end_.status == "succeeded", end_.error
            assert [one.status for one in await records(assembly, "Inner")] == ["succeeded"]


async def test_one_that_is_stopped_since_it_holds_too_much_fails_the_node_alone(tmp_path: Path) -> None:
    large = python("c", "def main(): return {'r': 'x' * 300_000}", {"r": "string"})
    nodes = [start("q"), large, python("d", "def main(): return {}", {}), end(a="c.r")]
    async with installation(tmp_path, INNER, in_memory=False, run_memory=200_000) as assembly:
        await publish(assembly, app("Inner", nodes, "start>c>d>end"))
        await publish(assembly, outer(ASK))
        end_ = await ran(assembly, "Outer", q="a")
        [inner] = await records(assembly, "Inner")

    assert (inner.status, end_.status) == ("stopped", "failed")
    assert "the largest is of node 'c' (c) (the limit is set by JIKKO_RUN_MEMORY)." in (end_.error or "")
