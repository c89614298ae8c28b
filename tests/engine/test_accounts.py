"""Usage and failure counts of runs, containers and rounds."""

from typing import Any

import pytest

from jikko.events import NodeFinished, RoundFinished
from tests.engine.graphs import Log, edges, graph, node, resume, run

pytestmark = pytest.mark.anyio

RETRY = {"retry_enabled": True, "max_retries": 2}


def container(kind: str, *body: Any, **data: Any) -> list[Any]:
    own: dict[str, Any] = (
        {"iterator_selector": ["items", "value"], "output_selector": ["inner", "value"]}
        if kind == "iteration"
        else {"loop_count": 3, "break_conditions": [], "logical_operator": "and"}
    )
    return [
        node("items", value=["x", "y", "z"]),
        node("each", kind, start_node_id="each-start", **own, **data),
        node("each-start", f"{kind}-start", container="each"),
        *body,
    ]


EDGES = ["start --> items", "items --> each", "each-start --> inner"]


def of(log: Log, node_id: str) -> NodeFinished:
    return next(event for event in log.events if isinstance(event, NodeFinished) and event.node_id == node_id)


@pytest.mark.parametrize("fails", [0, 2, -1])
async def test_tokens_of_every_attempt_are_those_of_the_run(fails: int) -> None:
    compiled = graph(
        [
            node("shaky", tokens=7, fails=fails, retry_config=RETRY, error_strategy="fail-branch"),
            node("more", tokens=100),
        ],
        edges("start --> shaky", "shaky --> more", "shaky --fail-branch--> more"),
    )

    whole = await run(compiled)

    assert whole.end.total_tokens == 100 + 7 * (1 if fails == 0 else 3)
    if fails == 2:
        return  # the node counts its attempts, and would succeed at once after a crash
    for border in whole.borders[:-1]:
        assert (await resume(compiled, whole.events[:border])).end.total_tokens == whole.end.total_tokens


@pytest.mark.parametrize("kind", ["iteration", "loop"])
async def test_tokens_of_all_nodes_of_a_round_are_its_own_and_those_of_the_container_and_the_run(kind: str) -> None:
    inside = [node("inner", container="each", tokens=3, value=1), node("next", container="each", tokens=4)]
    compiled = graph(
        [*container(kind, *inside), node("more", tokens=100)], edges(*EDGES, "inner --> next", "each --> more")
    )

    whole = await run(compiled)

    rounds = [event.usage for event in whole.events if isinstance(event, RoundFinished)]
    assert [(usage.total_tokens, usage.total_price) for usage in rounds if usage is not None] == [(7, "0.2")] * 3
    used = of(whole, "each").usage
    assert used is not None
    assert (used.total_tokens, used.total_price, whole.end.total_tokens) == (21, "0.6", 121)
    for border in whole.borders[:-1]:
        assert (await resume(compiled, whole.events[:border])).end.total_tokens == 121


@pytest.mark.parametrize("kind", ["code", "template-transform"])
async def test_of_two_failures_at_once_the_first_is_told(kind: str) -> None:
    bad = [node("inner", kind, container="each", fails=-1), node("other", kind, container="each", fails=-1)]
    inside = await run(graph(container("iteration", *bad), edges(*EDGES, "each-start --> other")))
    top = await run(graph([node("a", kind, fails=-1), node("b", kind, fails=-1)], edges("start --> a", "start --> b")))

    assert (inside.end.status, inside.end.error) == ("failed", "inner broke")
    assert (top.end.status, top.end.error) == ("failed", "a broke")


@pytest.mark.parametrize(("kind", "expected"), [("iteration", {}), ("loop", {"x": 1})])
async def test_an_end_node_in_a_round_gives_the_run_outputs_in_a_loop_only(kind: str, expected: dict[str, int]) -> None:
    last = node("end", "end", container="each", outputs=[{"variable": "x", "value_selector": ["inner", "value"]}])
    compiled = graph(container(kind, node("inner", container="each", value=1), last), edges(*EDGES, "inner --> end"))

    log = await run(compiled)

    assert (log.end.status, log.end.outputs) == ("succeeded", expected)
