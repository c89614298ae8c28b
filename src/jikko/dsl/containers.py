"""Containers: the nodes in each, and where bodies begin. Source: docs/dify-behaviour.md, “Older files”."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.document import EdgeEntry, NodeEntry
from jikko.dsl.fields import problem_at
from jikko.dsl.types import CONTAINER_STARTS


def assign_containers(
    nodes: Sequence[NodeEntry], parents: Mapping[str, str], problems: list[Diagnostic]
) -> list[NodeEntry]:
    """The nodes, each with its container. ``parents``: ``parentId`` by node. ``problems``: Notes self-containment."""
    containers = {node.id: node for node in nodes if node.type in CONTAINER_STARTS}
    starts = {str(node.data.get("start_node_id")): node.id for node in containers.values()}
    claims = {node.id: _claims(node, parents.get(node.id), containers, starts) for node in nodes}
    owners = {node_id: _innermost(claimed, claims) for node_id, claimed in claims.items()}
    for node_id in _in_themselves(owners):
        where = containers[node_id].where
        problems.append(
            problem_at(where, Phrase("document.in_itself", {"node": repr(node_id)}), Phrase("remedy.look_at_ids"))
        )
        owners[node_id] = None
    return [replace(node, container=owners[node.id]) for node in nodes]


def _claims(
    node: NodeEntry, parent: str | None, containers: Mapping[str, NodeEntry], starts: Mapping[str, str]
) -> list[str]:
    found = []
    if isinstance(owner := node.data.get("container_id"), str):
        return [owner] if owner in containers and owner != node.id else []
    for name in ("iteration_id", "loop_id"):
        claimed = node.data.get(name)
        if isinstance(claimed, str) and claimed in containers and claimed != node.id:
            found.append(claimed)
    if not found and parent in containers and parent != node.id:
        found.append(str(parent))
    if not found and node.type in CONTAINER_STARTS.values() and node.id in starts:
        found.append(starts[node.id])
    return found


def _innermost(claimed: list[str], claims: Mapping[str, list[str]]) -> str | None:
    # A node of a loop inside an iteration may name both.
    if len(claimed) == 2 and claimed[0] not in claims[claimed[1]]:
        return claimed[0]
    return claimed[-1] if claimed else None


def _in_themselves(owners: Mapping[str, str | None]) -> list[str]:
    """Containers that are inside themselves, one of each ring."""
    found = []
    seen: set[str] = set()
    for first in owners.values():
        path: list[str] = []
        node_id = first
        while node_id is not None and node_id not in seen:
            seen.add(node_id)
            path.append(node_id)
            node_id = owners[node_id]
        if node_id in path:
            found.append(str(node_id))
    return found


def add_body_starts(
    nodes: Sequence[NodeEntry], edges: Sequence[EdgeEntry], problems: list[Diagnostic]
) -> tuple[list[NodeEntry], list[EdgeEntry]]:
    """The nodes and edges, with a start pseudo-node for every container that has none.

    Files of 0.1.0 let ``start_node_id`` name the first real node. The new pseudo-node follows its container.
    """
    bodies: dict[str, list[NodeEntry]] = {}
    for node in nodes:
        if node.container is not None:
            bodies.setdefault(node.container, []).append(node)
    taken = {node.id for node in nodes}
    found_nodes: list[NodeEntry] = []
    found_edges = list(edges)
    for node in nodes:
        if node.type not in CONTAINER_STARTS:
            found_nodes.append(node)
            continue
        kind = CONTAINER_STARTS[node.type]
        body = bodies.get(node.id, [])
        named = node.data.get("start_node_id")
        starts = [inner for inner in body if inner.type == kind]
        start = next((inner for inner in starts if inner.id == named), starts[0] if starts else None)
        if start is None:
            start = _new_start(node, kind, taken)
            first = _first_of(body, named)
            if first is None:
                what = Phrase("document.no_first_node", {"type": node.type, "node": repr(node.id)})
                problems.append(problem_at(node.where, what, Phrase("remedy.connect_start"), fatal=False))
            else:
                found_edges.append(EdgeEntry(start.id, first.id, "source", node.where))
        found_nodes.append(node if named == start.id else replace(node, data={**node.data, "start_node_id": start.id}))
        found_nodes += [] if starts else [start]
    return found_nodes, found_edges


def _first_of(body: list[NodeEntry], named: Any) -> NodeEntry | None:
    for node in body:
        if node.id == named:
            return node
    return next((node for node in body if node.data.get("isIterationStart")), None)


def _new_start(container: NodeEntry, kind: str, taken: set[str]) -> NodeEntry:
    node_id = f"{container.id}start"
    while node_id in taken:
        node_id += "_"
    taken.add(node_id)
    membership = (
        {"isInIteration": True, "iteration_id": container.id}
        if container.type == "iteration"
        else {"isInLoop": True, "loop_id": container.id}
    )
    return NodeEntry(node_id, kind, {"type": kind, "title": "", **membership}, container.where, container.id)
