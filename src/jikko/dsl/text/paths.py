"""Walks through a graph: cycles, and what can be reached. Linear, without recursion."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

_Edge: TypeAlias = tuple[str, str]


def cycles(nodes: Sequence[str], edges: Iterable[_Edge]) -> list[list[str]]:
    """A cycle of each knot of nodes that lead to each other, each in the order of its edges.

    A graph without cycles gives none.
    """
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        after[source].append(target)
    found = []
    for knot in _knots(_on_cycles(after), after):
        inside = set(knot)
        path: dict[str, int] = {}
        node = knot[-1]
        while node not in path:
            path[node] = len(path)
            node = next(follower for follower in after[node] if follower in inside)
        found.append(list(path)[path[node] :])
    return found


def reached(starts: Iterable[str], edges: Iterable[_Edge], bodies: Mapping[str, str]) -> set[str]:
    """The nodes that can be reached from ``starts``.

    Args:
        bodies: The first node of the body of each container.
    """
    after: dict[str, list[str]] = {}
    for source, target in (*edges, *bodies.items()):
        after.setdefault(source, []).append(target)
    seen = set(starts)
    pending = list(seen)
    while pending:
        for node in after.get(pending.pop(), ()):
            if node not in seen:
                seen.add(node)
                pending.append(node)
    return seen


def _on_cycles(after: Mapping[str, list[str]]) -> list[str]:
    """The nodes that are left when those are taken away, again and again, that nothing leads to."""
    incoming = dict.fromkeys(after, 0)
    for followers in after.values():
        for follower in followers:
            incoming[follower] += 1
    pending = [node for node, count in incoming.items() if count == 0]
    while pending:
        for follower in after[pending.pop()]:
            incoming[follower] -= 1
            if incoming[follower] == 0:
                pending.append(follower)
    return [node for node, count in incoming.items() if count > 0]


def _knots(nodes: Sequence[str], after: Mapping[str, list[str]]) -> list[list[str]]:
    """The strongly connected components that have a cycle in them (Tarjan's algorithm)."""
    among = set(nodes)
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_nodes: list[str] = []
    is_open: set[str] = set()
    found = []
    for root in nodes:
        if root in order:
            continue
        path = [(root, iter(after[root]))]
        order[root] = lowest[root] = len(order)
        open_nodes.append(root)
        is_open.add(root)
        while path:
            node, followers = path[-1]
            for follower in followers:
                if follower not in among:
                    continue
                if follower not in order:
                    order[follower] = lowest[follower] = len(order)
                    open_nodes.append(follower)
                    is_open.add(follower)
                    path.append((follower, iter(after[follower])))
                    break
                if follower in is_open:
                    lowest[node] = min(lowest[node], order[follower])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[node])
                if lowest[node] == order[node]:
                    knot = []
                    while node in is_open:
                        knot.append(open_nodes.pop())
                        is_open.remove(knot[-1])
                    if len(knot) > 1 or node in after[node]:
                        found.append(knot)
    return found
