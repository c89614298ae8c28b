"""Making a graph of a document."""

import sys
from types import FrameType
from typing import Any

from jikko.dsl.document import NodeEntry
from tests.engine.graphs import edges, graph, node


def nested(depth: int) -> list[NodeEntry]:
    """Loops, each in the one before, and work in the innermost; the file has the innermost first."""
    nodes = [node("work", container=f"loop-{depth - 1}")]
    for level in reversed(range(depth)):
        container = f"loop-{level - 1}" if level else None
        inner = f"loop-{level + 1}" if level < depth - 1 else "work"
        data: dict[str, Any] = {"loop_count": 1, "break_conditions": [], "start_node_id": inner}
        nodes.append(node(f"loop-{level}", "loop", container=container, **data))
    return nodes


def steps(depth: int) -> int:
    """Calls, of whatever kind, to compile loops nested so deeply."""
    nodes, count = nested(depth), 0

    def counting(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        graph(nodes, edges("start --> loop-0"))
    finally:
        sys.setprofile(None)
    return count


def test_a_container_has_the_nodes_inside_it_as_its_body() -> None:
    found = graph(nested(3), edges("start --> loop-0"))

    bodies = {
        key: [inner.id for inner in compiled.body.nodes] for key, compiled in found.nodes.items() if compiled.body
    }
    assert bodies == {"loop-0": ["loop-1"], "loop-1": ["loop-2"], "loop-2": ["work"]}


def test_compiling_takes_time_linear_in_how_deep_containers_are_nested() -> None:
    steps(1)

    assert steps(800) < 2.5 * steps(400)
