"""Size limit of texts that a node makes of variables, with an error."""

from typing import Any

import pytest
from msgspec import structs

from jikko.dsl.document import NodeEntry
from jikko.engine.state import RunState
from jikko.events import NodeFinished, RunStarted
from jikko.ports.node_ports import ValueLimits
from tests.engine.graphs import Log, edges, graph, node, runner

pytestmark = pytest.mark.anyio

LIMIT = 10_000
LONG = "日本語😀\ue000" * 200
REFERENCE = "{{#a.value#}}"


def condition(value: str) -> dict[str, Any]:
    return {"variable_selector": ["a", "value"], "comparison_operator": "contains", "value": value}


def if_else(count: int) -> NodeEntry:
    case = {"case_id": "true", "logical_operator": "and", "conditions": [condition(REFERENCE * count)]}
    return node("b", "if-else", title="Is it long?", cases=[case])


def human_input(count: int) -> NodeEntry:
    return node(
        "b",
        "human-input",
        title="Is it long?",
        form_content=REFERENCE * count,
        inputs=[],
        user_actions=[{"id": "yes", "title": "Yes"}],
        timeout=1,
        timeout_unit="hour",
        delivery_methods=[{"type": "webapp", "enabled": True, "id": "x"}],
    )


def end(count: int) -> NodeEntry:
    outputs = [{"variable": f"o{index}", "value_selector": ["a", "value"]} for index in range(count)]
    return node("b", "end", title="Is it long?", outputs=outputs)


def answer(count: int) -> NodeEntry:
    return node("b", "answer", title="Is it long?", answer=REFERENCE * count)


async def run(made: NodeEntry) -> Log:
    compiled = graph([node("a", value=LONG), made], edges("start --> a", "a --> b"))
    log = Log()
    runs = runner(RunState(compiled), log)
    structs.force_setattr(runs.ports, "limits", ValueLimits(max_expanded=LIMIT))
    runs.state.release.room = LIMIT
    await runs.run([RunStarted(at=1.0, inputs={}, system={})])
    return log


@pytest.mark.parametrize("make", [if_else, human_input, end, answer])
async def test_a_node_that_would_make_too_much_fails_and_names_itself_and_the_setting(make: Any) -> None:
    log = await run(make(2000))

    assert log.end.status == "failed"
    assert log.end.error == (
        f"Node Is it long?: The texts that are made of its variables have more than {LIMIT} characters in all "
        "(set by JIKKO_MAX_EXPANDED)."
    )
    (failed,) = [event for event in log.events if isinstance(event, NodeFinished) and event.node_id == "b"]
    assert failed.error_type == "TextTooLongError"
    # What was shown before is bounded by the same limit.
    assert len(log.text) <= LIMIT + 2 * len(LONG) + 2000


@pytest.mark.parametrize("make", [if_else, end, answer])
async def test_one_that_makes_as_much_as_may_be_does_so(make: Any) -> None:
    log = await run(make(LIMIT // len(LONG)))

    assert log.end.status == "succeeded"


async def test_each_round_of_a_container_counts_by_itself() -> None:
    until = {**condition(REFERENCE * 9), "comparison_operator": "is"}
    compiled = graph(
        [
            node("a", value=LONG),
            node(
                "each",
                "loop",
                start_node_id="each-start",
                loop_count=50,
                break_conditions=[until],
                logical_operator="and",
                loop_variables=[],
            ),
            node("each-start", "loop-start", container="each"),
            node("inner", "template-transform", value=1, container="each"),
        ],
        edges("start --> a", "a --> each", "each-start --> inner"),
    )
    log = Log()
    runs = runner(RunState(compiled), log)
    structs.force_setattr(runs.ports, "limits", ValueLimits(max_expanded=LIMIT))
    await runs.run([RunStarted(at=1.0, inputs={}, system={})])

    assert log.end.status == "succeeded"
    assert log.finished().count("inner") == 50
