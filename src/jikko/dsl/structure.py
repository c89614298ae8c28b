"""Structure of a file: nodes, edges and containers, validated as a graph in linear time, without recursion.

Source: docs/dify-behaviour.md, “Nodes and edges”, “Start of a run”, “Branches, skipping, joins”, “Older files”.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.document import EdgeEntry, NodeEntry
from jikko.dsl.fields import MISSING, Fields, NameSuggestions, problem_at, shown
from jikko.dsl.repair import repair_node
from jikko.dsl.types import CONTAINER_STARTS, DIFY_TYPES, ENTRY_TYPES, SILENT_TRIGGERS

_MAX_SHOWN: Final = 12
"""Maximum number of nodes of a cycle in messages."""


def read_graph(graph: Fields, runnable: frozenset[str]) -> tuple[list[NodeEntry], list[EdgeEntry]]:
    """Read the nodes and edges of a ``graph`` block, repaired, without notes and dangling edges. ``runnable``:
    Supported node types; other types of Dify get a warning."""
    nodes, parents = _read_nodes(graph, runnable)
    edges = _read_edges(graph)
    nodes = assign_containers(nodes, edges, parents, graph.problems)
    nodes, edges = add_body_starts(nodes, edges, graph.problems)
    return nodes, _connected(nodes, edges, graph)


def find_root(nodes: Sequence[NodeEntry], graph: Fields) -> str:
    """Return the entry node: the first start or trigger; ``""`` if there is none."""
    entries = [node for node in nodes if node.type in ENTRY_TYPES and node.container is None]
    if not entries:
        if nodes:
            graph.problem("nodes", Phrase("document.no_start"), Phrase("remedy.start_node"))
        return ""
    starts = [node for node in entries if node.type == "start"]
    triggers = [node for node in entries if node.type.startswith("trigger-")]
    if starts and triggers:
        names = " and ".join(repr(node.id) for node in (starts[0], triggers[0]))
        graph.problem("nodes", Phrase("document.start_and_trigger", {"names": names}), Phrase("remedy.one_entry"))
    for extra in starts[1:]:
        graph.problems.append(
            problem_at(
                extra.where,
                Phrase("document.second_start", {"first": repr(starts[0].id)}),
                Phrase("remedy.delete"),
                fatal=False,
            )
        )
    return entries[0].id


def check_paths(nodes: Sequence[NodeEntry], edges: Sequence[EdgeEntry], graph: Fields) -> None:
    """Report cycles, unreachable nodes, and nodes that wait for one."""
    for cycle in cycles([node.id for node in nodes], [(edge.source, edge.target) for edge in edges]):
        shown = " -> ".join([*cycle[:_MAX_SHOWN], "..."] if len(cycle) > _MAX_SHOWN else [*cycle, cycle[0]])
        graph.problem("edges", Phrase("document.cycle", {"nodes": shown}), Phrase("remedy.loop_instead"))
    bodies = {node.id: str(node.data.get("start_node_id")) for node in nodes if node.type in CONTAINER_STARTS}
    entries = [node.id for node in nodes if node.type in ENTRY_TYPES and node.container is None]
    seen = reached(entries, [(edge.source, edge.target) for edge in edges], bodies)
    awaited = {edge.target: repr(edge.source) for edge in edges if edge.source not in seen}
    for node in nodes if entries else ():
        # The content of an unreachable container is not reported.
        if node.id not in seen and (node.container is None or node.container in seen):
            what = Phrase("document.unreached", {"node": repr(node.id)})
        elif node.id in seen and node.id in awaited:
            what = Phrase("document.waiting", {"node": repr(node.id), "awaited": awaited[node.id]})
        else:
            continue
        graph.problems.append(problem_at(node.where, what, Phrase("remedy.connect_or_delete"), fatal=False))


def _read_nodes(graph: Fields, runnable: frozenset[str]) -> tuple[list[NodeEntry], dict[str, str]]:
    found: dict[str, NodeEntry] = {}
    parents: dict[str, str] = {}
    for wrapper in graph.mappings("nodes", required=True):
        if _is_note(wrapper.raw):
            continue
        node = _read_node(wrapper, runnable)
        if node is None:
            continue
        if node.id in found:
            wrapper.problem(
                "id",
                Phrase(
                    "document.same_id", {"value": repr(node.id), "other": found[node.id].where.removesuffix(".data")}
                ),
            )
            continue
        found[node.id] = node
        if isinstance(wrapper.get("parentId"), str):
            parents[node.id] = wrapper.get("parentId")
    listed = graph.get("nodes")
    if isinstance(listed, list) and all(_is_note(one) for one in listed):
        graph.problem("nodes", Phrase("document.empty"), Phrase("remedy.needs_start"))
    return list(found.values()), parents


def _is_note(node: Any) -> bool:
    return isinstance(node, Mapping) and node.get("type") == "custom-note"


def _read_node(wrapper: Fields, runnable: frozenset[str]) -> NodeEntry | None:
    node_id = wrapper.text("id", required=True)
    if wrapper.get("id") == "":
        wrapper.problem("id", Phrase("document.empty"))
    raw = wrapper.get("data")
    if raw is None:
        wrapper.problem("data", MISSING, Phrase("remedy.expected_node"))
    data = wrapper.mapping("data")
    if not data.raw:
        if isinstance(raw, Mapping):
            data.problem("type", MISSING, Phrase("remedy.expected_type"))
        return None
    data = Fields(data.where, repair_node(data.raw), data.problems)
    kind = data.text("type", required=True)
    if kind and kind not in DIFY_TYPES | runnable:
        hint = data.meant(kind, sorted(DIFY_TYPES)) or Phrase("remedy.no_version")
        data.problem("type", Phrase("document.no_node_type", {"value": shown(kind)}), hint)
    elif kind in SILENT_TRIGGERS and kind not in runnable:
        what = Phrase("document.trigger", {"value": shown(kind)})
        data.problem("type", what, fatal=False)
    elif kind and kind not in runnable and not kind.startswith("trigger-"):
        data.problem("type", Phrase("document.unsupported", {"value": shown(kind)}), fatal=False)
    return NodeEntry(node_id, kind, data.raw, data.where) if node_id else None


def _read_edges(graph: Fields) -> list[EdgeEntry]:
    found = []
    for edge in graph.mappings("edges", required=True):
        ends = [edge.get("source"), edge.get("target")]
        if not all(isinstance(end, str) and end for end in ends):
            name = "source" if not isinstance(ends[0], str) or not ends[0] else "target"
            edge.problem(name, Phrase("document.edge_end"), Phrase("remedy.quote_numbers"), fatal=False)
            continue
        handle = edge.get("sourceHandle", "source")
        if handle is None:
            handle = "source"
        if not isinstance(handle, str):
            edge.problem("sourceHandle", Phrase("document.edge_handle"), Phrase("remedy.quote"), fatal=False)
            continue
        found.append(EdgeEntry(ends[0], ends[1], handle, edge.where))
    return found


def _connected(nodes: list[NodeEntry], edges: list[EdgeEntry], graph: Fields) -> list[EdgeEntry]:
    known = {node.id: node for node in nodes}
    problems = graph.problems
    # An unreadable node is reported itself, and not again by each of its edges.
    listed = graph.get("nodes") if known else []
    unread = {str(one.get("id")) for one in listed if isinstance(one, Mapping) and not _is_note(one)}
    suggestions = NameSuggestions(known)
    found = []
    for edge in edges:
        unknown = [(name, end) for name, end in _ends(edge) if end not in known]
        for name, end in unknown if known else ():
            if end in unread:
                continue
            what = Phrase("document.no_node", {"value": shown(end)})
            problems.append(problem_at(f"{edge.where}.{name}", what, suggestions.hint(end)))
        if unknown:
            continue
        inside, outside = known[edge.source].container, known[edge.target].container
        if inside != outside:
            border = f"from {_place(inside)} to {_place(outside)}"
            what = Phrase(
                "document.leads", {"border": border, "source": repr(edge.source), "target": repr(edge.target)}
            )
            problems.append(problem_at(edge.where, what, Phrase("remedy.container_only")))
            continue
        found.append(edge)
    return found


def _ends(edge: EdgeEntry) -> Iterator[tuple[str, str]]:
    yield "source", edge.source
    yield "target", edge.target


def _place(container: str | None) -> str:
    return "the outside" if container is None else f"the inside of {container!r}"


_Edge: TypeAlias = tuple[str, str]


def cycles(nodes: Sequence[str], edges: Iterable[_Edge]) -> list[list[str]]:
    """Return a cycle per strongly connected component that has one, in the order of its edges."""
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
    """Return the nodes reachable from ``starts``. ``bodies``: First node of each container's body."""
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
    """Return what remains after repeatedly removing nodes without predecessors."""
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
    """Return the strongly connected components that contain a cycle (Tarjan's algorithm)."""
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


def assign_containers(
    nodes: Sequence[NodeEntry], edges: Iterable[EdgeEntry], parents: Mapping[str, str], problems: list[Diagnostic]
) -> list[NodeEntry]:
    """Return the nodes with their containers. ``parents``: ``parentId`` by node. ``problems``: Collects
    self-containment."""
    containers = {node.id: node for node in nodes if node.type in CONTAINER_STARTS}
    starts = {str(node.data.get("start_node_id")): node.id for node in containers.values()}
    # A node copied out of a container still names it in its data; Dify goes by the edges.
    pairs = [(edge.source, edge.target) for edge in edges]
    entries = (node.id for node in nodes if node.type in ENTRY_TYPES)
    outside = reached(entries, pairs, {}) - reached(starts, pairs, {}) - parents.keys()
    claims = {
        node.id: [] if node.id in outside else _claims(node, parents.get(node.id), containers, starts) for node in nodes
    }
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
    """Return containers that contain themselves, one per ring."""
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
    """Return nodes and edges, with start pseudo-nodes added to containers without one.

    In files of 0.1.0, ``start_node_id`` may be the first real node. The new pseudo-node follows its container.
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
