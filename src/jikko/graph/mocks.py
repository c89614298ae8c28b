"""Graphs with mocked nodes."""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from jikko.dsl.fields import did_you_mean
from jikko.graph.compiled import CompiledGraph, CompiledNode, Subgraph
from jikko.nodes.substitutes import CAN_FAKE, FAKE_MODEL, FakeModelNode, Mocked, MockedBranch
from jikko.values import Json


def with_mocks(graph: CompiledGraph, mocks: Mapping[str, Mapping[str, Json]]) -> CompiledGraph:
    """Return the graph with mocks: outputs by id or title of a node; an id takes precedence, a title mocks all its
    nodes.

    Unknown names are ignored. A mocked container runs no round. ``FAKE_MODEL`` in the place of outputs runs the node
    itself with a fake model; nodes of other types than ``CAN_FAKE`` fail.
    """
    chosen: dict[str, Mapping[str, Json]] = {}
    for node in graph.nodes.values():
        outputs = mocks.get(node.id, mocks.get(node.title))
        if outputs is not None:
            chosen[node.id] = outputs
    if not chosen:
        return graph

    def mocked(node: CompiledNode) -> CompiledNode:
        if node.id not in chosen:
            return node
        outputs = chosen[node.id]
        if outputs == FAKE_MODEL:
            if node.type in CAN_FAKE:
                return replace(node, node=FakeModelNode(node.node), has_icon=False)
            wanted = f"fake_model is for nodes of the types {', '.join(sorted(CAN_FAKE))}; mock its outputs"
            outputs = {"error": f"A node of the type {node.type} does not run with a fake model: {wanted}."}
        stand_in = (MockedBranch if node.node.branching else Mocked)(outputs)
        return replace(node, node=stand_in, body=None, effects=False, has_icon=False, retries=0)

    return substituted(graph, mocked)


def substituted(graph: CompiledGraph, changed: Callable[[CompiledNode], CompiledNode]) -> CompiledGraph:
    """Return the graph with nodes replaced. ``changed``: Returns a node's replacement, or the node itself."""

    def made(node: CompiledNode) -> CompiledNode:
        return changed(node if node.body is None else replace(node, body=inside(node.body)))

    def inside(body: Subgraph) -> Subgraph:
        return replace(body, nodes=tuple(map(made, body.nodes)))

    return replace(graph, body=inside(graph.body), nodes={node_id: made(node) for node_id, node in graph.nodes.items()})


def unknown_mocks(graphs: Iterable[CompiledGraph], mocks: Mapping[str, Mapping[str, Json]]) -> list[str]:
    """Return a sentence for each name that matches no node in any of the graphs."""
    names = {name: None for graph in graphs for node in graph.nodes.values() for name in (node.id, node.title) if name}
    found = []
    for name in mocks:
        if name not in names:
            hint = did_you_mean(name, list(names))
            found.append(f"no node has the id or title {name!r}" + (f" ({hint})" if hint else ""))
    return found
