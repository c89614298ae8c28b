"""Loops with rounds depending on earlier rounds, also after a crash."""

from typing import Any

import pytest

from jikko.events import NodeFinished, RoundFinished, RoundStarted
from jikko.graph.compiled import CompiledGraph
from tests.engine.graphs import Log, edges, graph, node, resume, run

pytestmark = pytest.mark.anyio


def is_number(value: int) -> dict[str, Any]:
    return {
        "variable_selector": ["each", "n"],
        "comparison_operator": "=",
        "value": str(value),
        "varType": "number",
    }


def loop(count: int, until: int) -> CompiledGraph:
    """A loop that sets its variable ``n`` to 1 in its first round, and does something more only in that."""
    return graph(
        [
            node(
                "each",
                "loop",
                start_node_id="each-start",
                loop_count=count,
                break_conditions=[is_number(until)],
                logical_operator="and",
                loop_variables=[{"label": "n", "var_type": "number", "value_type": "constant", "value": 0}],
            ),
            node("each-start", "loop-start", container="each"),
            node(
                "if",
                "if-else",
                container="each",
                cases=[{"case_id": "true", "logical_operator": "and", "conditions": [is_number(0)]}],
            ),
            node("first", container="each", value="一", pauses=2),
            node(
                "set",
                "assigner",
                container="each",
                version="2",
                items=[
                    {
                        "variable_selector": ["each", "n"],
                        "operation": "set",
                        "input_type": "constant",
                        "value": 1,
                    }
                ],
            ),
            node("slow", container="each", pauses=2),
            node("end", "end", container="each", outputs=[{"variable": "x", "value_selector": ["first", "value"]}]),
        ],
        edges(
            "start --> each",
            "each-start --> if",
            "if --true--> first",
            "if --false--> set",
            "first --> set",
            "set --> slow",
            "slow --> end",
        ),
    )


def result(log: Log) -> Any:
    [each] = [event for event in log.events if isinstance(event, NodeFinished) and event.node_id == "each"]
    rounds = [event.round for event in log.events if isinstance(event, RoundStarted)]
    return log.end.status, each.outputs, rounds, log.end.outputs


@pytest.mark.parametrize(
    ("until", "rounds", "last"),
    [
        pytest.param(1, [0], "一", id="the condition holds after the first round"),
        pytest.param(7, [0, 1, 2], None, id="it never holds"),
    ],
)
async def test_a_round_sees_the_variables_of_the_loop_and_not_the_nodes_of_the_round_before(
    until: int, rounds: list[int], last: str | None
) -> None:
    compiled = loop(3, until)

    whole = await run(compiled)

    assert result(whole) == ("succeeded", {"n": 1, "loop_round": len(rounds)}, rounds, {"x": last})
    for border in range(1, len(whole.events)):
        assert result(await resume(compiled, whole.events[:border])) == result(whole)


@pytest.mark.parametrize(
    ("inside", "expected"), [("loop-end", [(0, True, True)]), ("code", [(0, False, False), (1, False, False)])]
)
async def test_the_end_of_a_round_says_whether_it_ended_the_loop(
    inside: str, expected: list[tuple[int, bool, bool]]
) -> None:
    loop: dict[str, Any] = {"loop_count": 2, "break_conditions": [], "logical_operator": "and", "loop_variables": []}
    compiled = graph(
        [
            node("each", "loop", start_node_id="each-start", **loop),
            node("each-start", "loop-start", container="each"),
            node("inside", inside, container="each"),
        ],
        edges("start --> each", "each-start --> inside"),
    )

    log = await run(compiled)

    ends = [event for event in log.events if isinstance(event, RoundFinished)]
    assert [(end.round, end.ended, end.last) for end in ends] == expected


async def test_of_a_round_that_failed_its_own_error_is_told_though_its_condition_cannot_be_evaluated_either() -> None:
    never_put_out = {"variable_selector": ["behind", "value"], "comparison_operator": "=", "value": "山"}
    loop: dict[str, Any] = {"loop_count": 2, "break_conditions": [never_put_out], "logical_operator": "and"}
    compiled = graph(
        [
            node("each", "loop", start_node_id="each-start", **loop),
            node("each-start", "loop-start", container="each"),
            node("bad", container="each", fails=-1),
            node("behind", container="each", value="山"),
        ],
        edges("start --> each", "each-start --> bad", "bad --> behind"),
    )

    log = await run(compiled)

    [end] = [event for event in log.events if isinstance(event, RoundFinished)]
    assert (end.error, log.end.status, log.end.error) == ("bad broke", "failed", "bad broke")


@pytest.mark.parametrize(
    "operator", [pytest.param("contains", id="that does not suit"), pytest.param("≥", id="whose value is no number")]
)
@pytest.mark.parametrize("strategy", [None, "fail-branch"])
async def test_a_condition_that_cannot_be_evaluated_fails_the_loop_after_its_first_round(
    operator: str, strategy: str | None
) -> None:
    condition = {"variable_selector": ["each", "n"], "comparison_operator": operator, "value": "三"}
    variable = {"label": "n", "var_type": "number", "value_type": "constant", "value": 1}
    compiled = graph(
        [
            node(
                "each",
                "loop",
                start_node_id="each-start",
                loop_count=2,
                break_conditions=[condition],
                logical_operator="and",
                loop_variables=[variable],
                error_strategy=strategy,
            ),
            node("each-start", "loop-start", container="each"),
            node("inside", container="each", value="一"),
        ],
        edges("start --> each", "each-start --> inside"),
    )

    log = await run(compiled)

    [each] = [event for event in log.events if isinstance(event, NodeFinished) and event.node_id == "each"]
    ends = [event for event in log.events if isinstance(event, NodeFinished) and event.node_id == "inside"]
    assert len(ends) == 1
    if strategy is None:
        assert (each.status, each.metadata["loop_variable_map"]) == ("failed", {"0": {"n": 1}})
    else:
        assert (each.status, each.outputs["error_type"]) == ("exception", "")


@pytest.mark.parametrize(("began", "kind"), [(10, "integer"), (0, "integer"), (1.5, "float"), (2.0, "float")])
@pytest.mark.parametrize("given", ["constant", "variable"])
@pytest.mark.parametrize("nested", [False, True])
async def test_a_number_is_of_the_type_that_it_began_with_whatever_it_holds_by_now(
    began: float, kind: str, given: str, nested: bool
) -> None:
    variable = {"label": "n", "var_type": "number", "value_type": given}
    value: Any = began if given == "constant" else ["first", "value"]
    counted: dict[str, Any] = {"loop_count": 1, "break_conditions": [], "logical_operator": "and"}
    assigner: dict[str, Any] = {"kind": "assigner", "container": "each", "version": "2"}
    change = {"variable_selector": ["each", "n"]}
    divided = {**change, "operation": "/=", "input_type": "constant", "value": 4}
    cleared = {**change, "operation": "clear", "input_type": "variable", "value": None}
    around = node(
        "round",
        "iteration",
        iterator_selector=["list", "value"],
        output_selector=["each", "n"],
        start_node_id="round-start",
    )
    compiled = graph(
        [
            node("first", value=began),
            node("list", value=["日"]),
            *([around, node("round-start", "iteration-start", container="round")] if nested else [node("round")]),
            node(
                "each",
                "loop",
                container="round" if nested else None,
                loop_variables=[{**variable, "value": value}],
                start_node_id="each-start",
                **counted,
            ),
            node("each-start", "loop-start", container="each"),
            node("divide", items=[divided], **assigner),
            node("clear", items=[cleared], **assigner),
        ],
        edges(
            "start --> first",
            "first --> list",
            "list --> round",
            "round-start --> each" if nested else "round --> each",
            "each-start --> divide",
            "divide --> clear",
        ),
    )

    whole = await run(compiled)

    def told(log: Log) -> list[Any]:
        ends = [event for event in log.events if isinstance(event, NodeFinished) and event.node_type == "assigner"]
        return [(end.process_data["__updated_variables"][0]["value_type"], end.process_data["n"]) for end in ends]

    assert told(whole) == [(kind, began / 4), (kind, 0)]
    assert isinstance(told(whole)[1][1], float) is (kind == "float")
    for border in range(1, len(whole.events)):
        assert told(await resume(compiled, whole.events[:border])) == told(whole)


@pytest.mark.parametrize(
    ("value", "added", "expected"),
    [
        pytest.param([], 7, ("succeeded", {"v": ["七", 7], "loop_round": 1}), id="an empty list accepts any element"),
        pytest.param(["🎉"], 7, ("failed", {}), id="a list of texts refuses a number"),
        pytest.param("文", 7, ("failed", {}), id="a text is no list"),
    ],
)
async def test_a_loop_variable_has_the_type_of_its_first_value(value: Any, added: Any, expected: Any) -> None:
    def append(source: str) -> dict[str, Any]:
        return {
            "variable_selector": ["each", "v"],
            "operation": "append",
            "input_type": "variable",
            "value": ["start", source],
        }

    compiled = graph(
        [
            node("start", "start", variables=[]),
            node(
                "each",
                "loop",
                start_node_id="each-start",
                loop_count=1,
                break_conditions=[],
                logical_operator="and",
                loop_variables=[
                    {"label": "v", "var_type": "array[string]", "value_type": "variable", "value": ["start", "value"]}
                ],
            ),
            node("each-start", "loop-start", container="each"),
            node("add", "assigner", container="each", version="2", items=[append("text"), append("added")]),
        ],
        edges("start --> each", "each-start --> add"),
    )

    log = await run(compiled, {"value": value, "text": "七", "added": added})

    assert result(log)[:2] == expected


async def test_behind_a_loop_a_variable_has_the_type_of_its_last_value() -> None:
    variable = {"label": "v", "var_type": "array[string]", "value_type": "constant", "value": "[]"}
    append = {"variable_selector": ["each", "v"], "operation": "append", "input_type": "variable"}
    compiled = graph(
        [
            node("start", "start", variables=[]),
            node(
                "each",
                "loop",
                start_node_id="each-start",
                loop_count=2,
                break_conditions=[],
                logical_operator="and",
                loop_variables=[variable],
            ),
            node("each-start", "loop-start", container="each"),
            node("add", "assigner", container="each", version="2", items=[{**append, "value": ["start", "text"]}]),
            node("list", "list-operator", variable=["each", "v"]),
        ],
        edges("start --> each", "each --> list", "each-start --> add"),
    )

    log = await run(compiled, {"text": "七🎉"})

    outputs = {event.node_id: event.outputs for event in log.events if isinstance(event, NodeFinished)}
    assert outputs["list"] == {"result": ["七🎉"] * 2, "first_record": "七🎉", "last_record": "七🎉"}
