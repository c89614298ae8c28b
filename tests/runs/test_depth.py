"""Variables that a workflow nests deeper and deeper."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jikko.events import NodeFinished
from jikko.values import MAX_DEPTH
from tests.acceptance.workflows import Node, end, node, start
from tests.runs.world import World, end_of

pytestmark = pytest.mark.anyio


def in_loop(entry: Node) -> Node:
    return {**entry, "parentId": "loop", "data": {**entry["data"], "isInLoop": True, "loop_id": "loop"}}


def assign(node_id: str, mode: str, target: str, source: str = "") -> Node:
    """A variable assigner of version 1."""
    selectors: dict[str, Any] = {"assigned_variable_selector": ["loop", target]}
    if source:
        selectors["input_variable_selector"] = ["loop", source]
    return node(node_id, "assigner", write_mode=mode, **selectors)


@pytest.mark.slow
async def test_a_loop_that_nests_its_variable_in_each_round_fails_at_its_assigner(tmp_path: Path) -> None:
    variables = [{"label": name, "var_type": "array[object]", "value": "[]"} for name in ("x", "before")]
    loop = node("loop", "loop", loop_count=MAX_DEPTH + 1, start_node_id="loop-start", loop_variables=variables)
    body = [
        node("loop-start", "loop-start"),
        assign("keep", "over-write", "before", "x"),
        assign("empty", "clear", "x"),
        assign("wrap", "append", "x", "before"),
    ]
    edges = [
        (one["id"], other["id"]) for one, other in [*pairwise(body), ({"id": "start"}, loop), (loop, {"id": "end"})]
    ]
    world = World.on_disk(tmp_path)
    app = await world.app(
        "Nests", [start(), loop, *map(in_loop, body), end(out="loop.x")], " ".join(f"{a}>{b}" for a, b in edges)
    )

    run = await world.process().start(app)
    last = await end_of(run)

    assert (last.status, last.error) == ("failed", f"The value is nested deeper than {MAX_DEPTH} levels")
    ends = [event for event in await world.store.events(run.record.identity.run_id) if isinstance(event, NodeFinished)]
    assert [(event.node_id, event.status) for event in ends[-2:]] == [("wrap", "failed"), ("loop", "failed")]
    await world.close()
