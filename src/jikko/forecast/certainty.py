"""Reachability: nodes that every run reaches."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from jikko.graph.compiled import CompiledGraph, Subgraph

Handles = Callable[[str], Collection[str] | None]
"""Handles of a node, of which it takes one; ``None`` if it takes all of its edges."""

_MAX_NODES: Final = 1000
"""Maximum number of nodes analysed per body, since memory is quadratic. Nothing is claimed about further ones."""


def places(graph: CompiledGraph) -> dict[str, tuple[Subgraph, str | None]]:
    """Map each node to its body, and the container around it."""
    found: dict[str, tuple[Subgraph, str | None]] = {}
    pending: list[tuple[Subgraph, str | None]] = [(graph.body, None)]
    while pending:
        body, container = pending.pop()
        for node in body.nodes:
            found[node.id] = (body, container)
            if node.body is not None:
                pending.append((node.body, node.id))
    return found


def _all(node_id: str) -> None:
    """Handles of a node that takes all of its edges."""


def order(body: Subgraph, handles: Handles = _all) -> list[int]:
    """Return the numbers of the nodes that may run, in topological order: those that edges from the body's root lead
    to, and that do not wait for ever."""
    led_to = {body.root}
    found = []
    for number in body.decided():
        if number in led_to:
            found.append(number)
            taken = handles(body.nodes[number].id)
            led_to.update(target for handle, target in body.edges[number] if taken is None or handle in taken)
    return found


def sure(body: Subgraph, targets: Sequence[int], handles: Handles) -> set[int]:
    """Return those of the targets that every run of the body reaches, if no other node fails.

    A node that is not a branch leads to all its successors. A branch leads to what is behind each of its handles; one
    without an edge leads nowhere.
    """
    if body.root is None:
        return set()
    bits = {number: 1 << place for place, number in enumerate(targets[:_MAX_NODES])}
    comes_to: dict[int, int] = {}
    for number in reversed(order(body)):
        node = body.nodes[number]
        taken = handles(node.id) if node.branch else None
        if taken is None:
            found = 0
            for _, target in body.edges[number]:
                found |= comes_to.get(target, 0)
        else:
            found = _common_successors(body.edges[number], comes_to, taken)
        comes_to[number] = found | bits.get(number, 0)
    reached = comes_to.get(body.root, 0)
    return {number for number, bit in bits.items() if reached & bit}


def _common_successors(edges: Sequence[tuple[str, int]], comes_to: Mapping[int, int], handles: Collection[str]) -> int:
    by_handle = dict.fromkeys(handles, 0)
    for handle, target in edges:
        if handle in by_handle:
            by_handle[handle] |= comes_to.get(target, 0)
    common = -1
    for found in by_handle.values():
        common &= found
    return common if by_handle else 0
