"""Secret environment variables in whole runs: no value breaks one, each gets to its node, and no record shows it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import Assembly, assemble
from jikko.engine.masked import mask
from jikko.events import ContainerStarted, FormRequested, NodeFinished
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from jikko.values import encode_json
from tests.runs.workflows import dsl, end, form, node, start
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio

KEY = ["env", "KEY"]
SECRET = "tok-12345-秘密-Ünïcödé"
PEM = '-----BEGIN PRIVATE KEY-----\nMIIE"vQ\\IBADANBg\n-----END PRIVATE KEY-----\n'
VALUES = [
    *("output", "outputs", "start", "event", "inputs", "node", "text", "elapsed", "succeeded", "node_finished", "a b"),
    *("a", "7", "true", "null", '"', "\\", "{}", "*", "KEY"),
    *("ひみつ", "カギ", "🔐", "\ue000", "\ue000KEY\ue001sk\ue002", "\\ue000KEY\\ue001sk\\ue002", PEM, SECRET),
    "x" * 200_000,
]


def secret(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value_type": "secret", "value": value} for name, value in values.items()]


async def published(assembly: Assembly, nodes: list[Any], edges: list[str], **secrets: str) -> App:
    text = dsl(nodes, edges, environment=secret(**secrets))
    return (await assembly.apps.publish(text, source="test")).app


async def ran(assembly: Assembly, app: App, **inputs: str) -> tuple[str, dict[str, Any]]:
    """Status and outputs of a run."""
    live = await assembly.runs.start(app, StartRequest(inputs=inputs, user="u"))
    await live.ended()
    record = await assembly.runs.records.any_record(live.record.identity.run_id)
    return record.status, json.loads(record.outputs)


@pytest.fixture
async def assembly(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assemble(Settings(home=tmp_path)) as assembly:
        yield assembly


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
async def test_a_run_succeeds_whatever_its_secret_is(assembly: Assembly, value: str) -> None:
    nodes = [
        start("output"),
        node("join", "variable-aggregator", variables=[KEY]),
        node("test", "if-else", cases=[case("is")]),
        node("event", "answer", answer="Key: {{#env.KEY#}}"),
        end(output=["start", "output"], key=KEY, joined=["join", "output"], text=["event", "answer"]),
    ]
    app = await published(
        assembly, nodes, ["start --> join", "join --> test", "test --yes--> event", "event --> end"], KEY=value
    )

    status, outputs = await ran(assembly, app, output=f"a{value}b event")

    assert status == "succeeded"
    assert outputs == {"output": f"a{value}b event", "key": value, "joined": value, "text": f"Key: {value}"}


def case(operator: str) -> dict[str, Any]:
    condition = {"variable_selector": KEY, "comparison_operator": operator, "value": "{{#env.KEY#}}"}
    return {"case_id": "yes", "logical_operator": "and", "conditions": [condition]}


async def test_of_two_secrets_one_may_stand_in_the_name_or_the_value_of_the_other(assembly: Assembly) -> None:
    nodes = [start(), end(one=["env", "prod_key"], two=["env", "stage"])]
    app = await published(assembly, nodes, ["start --> end"], prod_key="prod-123-prod", stage="prod")

    assert await ran(assembly, app) == ("succeeded", {"one": "prod-123-prod", "two": "prod"})


async def test_what_a_client_sent_does_not_tell_a_secret(assembly: Assembly) -> None:
    app = await published(assembly, [start("q"), end(q=["start", "q"])], ["start --> end"], PIN="0042")

    live = await assembly.runs.start(app, StartRequest(inputs={"q": " ".join(map(str, range(50)))}, user="u"))
    await live.ended()
    guessed = await assembly.runs.start(app, StartRequest(inputs={"q": "0042"}, user="u"))
    await guessed.ended()

    for run, q in ((live, " ".join(map(str, range(50)))), (guessed, "0042")):
        record = await assembly.runs.records.any_record(run.record.identity.run_id)
        executions = await assembly.runs.records.node_executions(record)
        assert json.loads(record.inputs)["q"] == json.loads(record.outputs)["q"] == q
        assert [execution.inputs for execution in executions] == [{"q": q}, {"q": q}]


async def test_what_is_recorded_of_the_configuration_shows_no_secret(
    assembly: Assembly, caplog: pytest.LogCaptureFixture
) -> None:
    loop_variables = [{"label": "v", "var_type": "string", "value_type": "variable", "value": KEY}]
    nodes = [
        start(),
        node("join", "variable-aggregator", variables=[KEY]),
        node("round", "loop", loop_count=1, loop_variables=loop_variables, start_node_id="begin"),
        {**node("begin", "loop-start"), "parentId": "round"},
        node("bad", "http-request", method="get", url="{{#env.KEY#}}", error_strategy="fail-branch"),
        end(error=["bad", "error_message"]),
    ]
    edges = ["start --> join", "join --> round", "round --> bad", "bad --fail-branch--> end"]
    app = await published(assembly, nodes, edges, KEY=SECRET)
    live = await assembly.runs.start(app, StartRequest(inputs={}, user="u"))
    await live.ended()
    events = await assembly.runs.records.events(live.record)

    recorded = [
        (event.inputs, getattr(event, "process_data", None), getattr(event, "error", None))
        for event in events
        if isinstance(event, (NodeFinished, ContainerStarted))
    ]
    assert SECRET not in encode_json(recorded).decode()
    assert encode_json(recorded).decode().count(mask(SECRET)) == 3
    assert SECRET not in caplog.text
    [loop] = [event for event in events if isinstance(event, ContainerStarted)]
    assert loop.variables == {"v": SECRET}


@pytest.fixture
def asking() -> list[Any]:
    """The nodes of a workflow that waits for a form whose text has a secret in it."""
    ask = form()
    ask["data"]["form_content"] = "Use {{#env.KEY#}}? {{#$output.comment#}}"
    return [start("q"), ask, end(text=["ask", "__rendered_content"], key=KEY)]


@pytest.mark.parametrize("value", [SECRET, PEM, "\ue000KEY\ue001sk\ue002"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_after_a_form_nodes_get_the_secret(
    tmp_path: Path, asking: list[Any], value: str, restarted: bool
) -> None:
    async with assemble(Settings(home=tmp_path)) as assembly:
        app = await published(assembly, asking, ["start --> ask", "ask --yes--> end"], KEY=value)
        live = await assembly.runs.start(app, StartRequest(inputs={"q": "x"}, user="u"))
        await live.ended()
        [asked] = [event for event in live.events if isinstance(event, FormRequested)]
        assert asked.form["form_content"] == f"Use {value}? {{{{#$output.comment#}}}}"
        if not restarted:
            await submit(assembly, app, asked)
    if restarted:
        async with assemble(Settings(home=tmp_path)) as assembly:
            await submit(assembly, app, asked)
    async with assemble(Settings(home=tmp_path)) as assembly:
        record = await assembly.runs.records.any_record(live.record.identity.run_id)

    assert record.status == "succeeded"
    assert json.loads(record.outputs) == {"text": f"Use {value}? fine", "key": value}


async def submit(assembly: Assembly, app: App, asked: FormRequested) -> None:
    token = asked.form["form_token"]
    await assembly.runs.forms.submit(app.id, token, "yes", {"comment": "fine"}, "")


async def test_a_retry_takes_the_secret_over(assembly: Assembly) -> None:
    nodes = [
        start(),
        node("text", "template-transform", template="<{{ key }}>", variables=[variable("key")]),
        node("code", "code", code_language="python3", code="def main(): return {}", variables=[], outputs={}),
        end(text=["text", "output"]),
    ]
    app = await published(assembly, nodes, ["start --> text", "text --> code", "code --> end"], KEY=PEM)
    live = await assembly.runs.start(app, StartRequest(inputs={}, user="u"))
    await live.ended()

    again = await assembly.runs.retries.retry(app, live.record.identity.run_id, from_node="code")
    await again.ended()

    record = await assembly.runs.records.any_record(again.record.identity.run_id)
    assert (record.status, json.loads(record.outputs)) == ("succeeded", {"text": f"<{PEM}>"})
    executions = await assembly.runs.records.node_executions(record)
    assert [execution.inputs for execution in executions if execution.node_id == "text"] == [{"key": mask(PEM)}]


def variable(name: str) -> dict[str, Any]:
    return {"variable": name, "value_selector": KEY}


async def test_after_a_crash_a_loop_goes_on_with_the_secret_and_records_the_mask() -> None:
    world = World()
    variables = [{"label": "v", "var_type": "string", "value_type": "variable", "value": KEY}]
    until_it_changes = [
        {"variable_selector": ["round", "v"], "comparison_operator": "is not", "value": "{{#env.KEY#}}"}
    ]
    nodes = [
        start(),
        node(
            "round",
            "loop",
            loop_count=3,
            start_node_id="begin",
            loop_variables=variables,
            break_conditions=until_it_changes,
        ),
        {**node("begin", "loop-start"), "parentId": "round"},
        {**node("work", "code", value=1, outputs={}), "parentId": "round"},
        end(v=["round", "v"], rounds=["round", "loop_round"]),
    ]
    edges = ["start --> round", "round --> end", "begin --> work"]
    app = (await world.apps.publish(dsl(nodes, edges, environment=secret(KEY=PEM)), source="test")).app
    world.script.held = {"work"}
    process = world.process()
    run_id = (await process.start(app)).record.identity.run_id
    await until(lambda: world.script.ran["work"] == 1)
    await process.die()
    process = world.process()
    await process.runs.control.take_over()
    await until(lambda: world.script.ran["work"] == 2)
    world.script.release("work")

    record = await world.ended(run_id)
    events = await world.store.events(run_id)
    assert json.loads(record.outputs) == {"v": PEM, "rounds": 3}
    [finished] = [event for event in events if isinstance(event, NodeFinished) and event.node_id == "round"]
    assert finished.inputs == {"loop_count": 3, "v": mask(PEM)}
    await world.close()
