"""The nodes and edges of a file, and whether they make a graph.

Everything here takes time linear in nodes and edges, and nothing recurses over the graph.

Source: docs/dify-behaviour.md, “Nodes and edges”, “Start of a run”, “Branches, skipping, joins”.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.containers import add_body_starts, assign_containers
from jikko.dsl.document import EdgeEntry, NodeEntry
from jikko.dsl.fields import Fields, problem_at, shown
from jikko.dsl.repair import repair_node
from jikko.dsl.suggestions import NameSuggestions
from jikko.dsl.text.paths import cycles, reached
from jikko.dsl.types import CONTAINER_STARTS, DIFY_TYPES, ENTRY_TYPES, SILENT_TRIGGERS

_MAX_SHOWN: Final = 12
"""How many nodes of a cycle a message names."""


def read_graph(graph: Fields, runnable: frozenset[str]) -> tuple[list[NodeEntry], list[EdgeEntry]]:
    """The nodes and edges of a ``graph`` block, repaired. Notes are gone, and so are edges that lead nowhere.

    Args:
        runnable: The node types that can be run here; others of Dify's get a warning.
    """
    nodes, parents = _read_nodes(graph, runnable)
    edges = _read_edges(graph)
    nodes = assign_containers(nodes, parents, graph.problems)
    nodes, edges = add_body_starts(nodes, edges, graph.problems)
    return nodes, _connected(nodes, edges, graph.problems)


def find_root(nodes: Sequence[NodeEntry], graph: Fields) -> str:
    """The entry node of a run: the first start or trigger; ``""`` if there is none."""
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
    """Note cycles, and nodes that no run comes to."""
    for cycle in cycles([node.id for node in nodes], [(edge.source, edge.target) for edge in edges]):
        shown = " -> ".join([*cycle[:_MAX_SHOWN], "..."] if len(cycle) > _MAX_SHOWN else [*cycle, cycle[0]])
        graph.problem("edges", Phrase("document.cycle", {"nodes": shown}), Phrase("remedy.loop_instead"))
    bodies = {node.id: str(node.data.get("start_node_id")) for node in nodes if node.type in CONTAINER_STARTS}
    entries = [node.id for node in nodes if node.type in ENTRY_TYPES and node.container is None]
    seen = reached(entries, [(edge.source, edge.target) for edge in edges], bodies)
    for node in nodes:
        # What is inside a container that is not reached goes without saying.
        if entries and node.id not in seen and (node.container is None or node.container in seen):
            graph.problems.append(
                problem_at(
                    node.where,
                    Phrase("document.unreached", {"node": repr(node.id)}),
                    Phrase("remedy.connect_or_delete"),
                    fatal=False,
                )
            )


def _read_nodes(graph: Fields, runnable: frozenset[str]) -> tuple[list[NodeEntry], dict[str, str]]:
    found: dict[str, NodeEntry] = {}
    parents: dict[str, str] = {}
    for wrapper in graph.mappings("nodes", required=True):
        if wrapper.get("type") == "custom-note":
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
    if not found and graph.get("nodes") == []:
        graph.problem("nodes", Phrase("document.empty"), Phrase("remedy.needs_start"))
    return list(found.values()), parents


def _read_node(wrapper: Fields, runnable: frozenset[str]) -> NodeEntry | None:
    node_id = wrapper.text("id", required=True)
    if wrapper.get("id") == "":
        wrapper.problem("id", Phrase("document.empty"))
    raw = wrapper.get("data")
    if raw is None:
        wrapper.problem("data", Phrase("document.missing"), Phrase("remedy.expected_node"))
    data = wrapper.mapping("data")
    if not data.raw:
        if isinstance(raw, Mapping):
            data.problem("type", Phrase("document.missing"), Phrase("remedy.expected_type"))
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


def _connected(nodes: list[NodeEntry], edges: list[EdgeEntry], problems: list[Diagnostic]) -> list[EdgeEntry]:
    """The edges that connect two nodes of the same body."""
    known = {node.id: node for node in nodes}
    suggestions = NameSuggestions(known)
    found = []
    for edge in edges:
        unknown = [(name, end) for name, end in _ends(edge) if end not in known]
        for name, end in unknown:
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
