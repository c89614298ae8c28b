"""Canvas of a workflow in its author's layout: nodes, notes, edges."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from jikko.dsl.load import decoded
from jikko.dsl.text.yaml_text import LoadLimits, YamlProblem, parse
from jikko.values import Json, as_list, encode_json

_WIDTH, _HEIGHT = 244.0, 54.0
"""Default size of a node."""
_COLUMN, _ROW = 304.0, 120.0
_MAX_NOTE_LENGTH: Final = 4000
"""Longest note in characters."""
_MAX_LABEL_LENGTH: Final = 100
"""Longest branch name in characters."""
_MAX_DEPTH: Final = 64
_MAX_CASE_TEXT: Final = 1000
"""Longest text of a case in characters; longer ones are truncated."""
_MAX_CASES_BYTES: Final = 65_536
"""Bytes of JSON above which the cases of a node are left out."""
_REFERENCE: Final = re.compile(r"\{\{#[^#{}]{1,500}#\}\}")
_LANGUAGES: Final = {"python3": "Python", "javascript": "JavaScript"}


class GraphNode(Struct, frozen=True):
    """Node of the graph with its position."""

    id: str
    type: str
    """``note`` for a note."""
    title: str
    x: float
    """Absolute, like ``y``."""
    y: float
    width: float
    height: float
    detail: str
    """Short summary: the model, the language, the number of inputs."""
    note: str | UnsetType = UNSET
    """Text of a note."""
    parent: str | UnsetType = UNSET
    """Container of the node."""
    cases: list[dict[str, Json]] | UnsetType = UNSET
    """As in the file, long texts truncated: cases of an if-else, classes of a question classifier, the filter of a list
    operator."""


class GraphEdge(Struct, frozen=True):
    id: str
    source: str
    handle: str
    target: str
    label: str | UnsetType = UNSET
    """Name of its branch: IF, ELIF 2, ELSE, a class, a form's button."""


class Graph(Struct, frozen=True):
    """Graph to draw."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]


def picture_of(text: bytes, *, literals: bool = True) -> Graph:
    """Return the graph of a DSL file, even if it is invalid, without the parts that cannot be drawn.
    ``literals``: Whether conditions have the values that they compare with."""
    try:
        root = parse(decoded(text), LoadLimits())
    except YamlProblem:
        return Graph([], [])
    graph = _mapping(_mapping(_mapping(root).get("workflow")).get("graph"))
    raw = [node for node in as_list(graph.get("nodes")) if isinstance(node, dict) and isinstance(node.get("id"), str)]
    by_id = {node["id"]: node for node in raw}
    edges = list(_edges(graph.get("edges"), by_id))
    places = {node_id: _place(by_id, node_id) for node_id in by_id}
    nodes = [_node(node, places[node["id"]] or (math.nan, math.nan), by_id, literals) for node in by_id.values()]
    return Graph(list(_laid_out(nodes, edges)), edges)


def _node(node: Mapping[str, Any], place: tuple[float, float], known: Mapping[str, Any], literals: bool) -> GraphNode:
    data = _mapping(node.get("data"))
    is_note = node.get("type") == "custom-note"
    kind = "note" if is_note else str(data.get("type") or "")
    parent = node.get("parentId")
    cases = [_case(case, literals) for case in _cases(kind, data) if isinstance(case, dict)]
    return GraphNode(
        id=node["id"],
        type=kind,
        title=str(data.get("title") or ("" if is_note else node["id"])),
        note=_note_text(data.get("text")) if is_note else UNSET,
        x=place[0],
        y=place[1],
        width=_number(node.get("width"), data.get("width")) or _WIDTH,
        height=_number(node.get("height"), data.get("height")) or _HEIGHT,
        parent=parent if isinstance(parent, str) and parent in known else UNSET,
        detail=_detail(kind, data),
        cases=cases if cases and len(encode_json(cases)) <= _MAX_CASES_BYTES else UNSET,
    )


def _case(value: Json, literals: bool, depth: int = 0) -> Any:
    """Return a case, or a part of one, to show."""
    if depth > _MAX_DEPTH:
        return None
    match value:
        case str():
            return value[:_MAX_CASE_TEXT]
        case list():
            return [_case(item, literals, depth + 1) for item in value]
        case dict():
            return {
                name: _case(item, literals, depth + 1)
                for name, item in value.items()
                if literals or name != "value" or (isinstance(item, str) and _REFERENCE.fullmatch(item))
            }
    return value


def _cases(kind: str, data: Mapping[str, Any]) -> list[Json]:
    match kind:
        case "if-else":
            old = {name: data[name] for name in ("logical_operator", "conditions") if name in data}
            return [{"case_id": "true", **old}] if data.get("cases") is None else as_list(data["cases"])
        case "question-classifier":
            return as_list(data.get("classes"))
        case "list-operator":
            filter_by = _mapping(data.get("filter_by"))
            return [{"variable": data.get("variable"), **filter_by}] if filter_by.get("enabled") else []
    return []


def _place(nodes: Mapping[str, Any], node_id: str) -> tuple[float, float] | None:
    """Return a node's absolute position, its own or its container's plus the relative one."""
    x = y = 0.0
    current: str | None = node_id
    for _ in range(_MAX_DEPTH):
        if current is None or current not in nodes:
            return x, y
        node = nodes[current]
        for name, is_absolute in (("positionAbsolute", True), ("position", False)):
            place = _mapping(node.get(name))
            left, top = _number(place.get("x")), _number(place.get("y"))
            if left is not None and top is not None:
                x, y = x + left, y + top
                if is_absolute:
                    return x, y
                break
        else:
            return None
        parent = node.get("parentId")
        current = parent if isinstance(parent, str) else None
    return None


def _laid_out(nodes: list[GraphNode], edges: list[GraphEdge]) -> Iterator[GraphNode]:
    """Yield the nodes; those without a position in columns by depth, below all others."""
    lost = [node for node in nodes if math.isnan(node.x)]
    if not lost:
        yield from nodes
        return
    depths = _depths([node.id for node in nodes], edges)
    placed = [node for node in nodes if not math.isnan(node.x)]
    left = min((node.x for node in placed), default=0.0)
    top = max((node.y + node.height for node in placed), default=-_ROW) + _ROW
    rows: dict[int, int] = {}
    for node in nodes:
        if not math.isnan(node.x):
            yield node
            continue
        depth = depths[node.id]
        row = rows[depth] = rows.get(depth, -1) + 1
        yield replace(node, x=left + depth * _COLUMN, y=top + row * _ROW)


def _depths(ids: list[str], edges: list[GraphEdge]) -> dict[str, int]:
    """Return each node's depth, by its longest path; in a cycle, by where it is first reached."""
    incoming = dict.fromkeys(ids, 0)
    after: dict[str, list[str]] = {}
    for edge in edges:
        incoming[edge.target] += 1
        after.setdefault(edge.source, []).append(edge.target)
    depths = dict.fromkeys(ids, 0)
    ready = [node_id for node_id in ids if incoming[node_id] == 0]
    for node_id in ready:
        for target in after.get(node_id, ()):
            depths[target] = max(depths[target], depths[node_id] + 1)
            incoming[target] -= 1
            if incoming[target] == 0:
                ready.append(target)
    return depths


def _edges(raw: Json, nodes: Mapping[str, Any]) -> Iterator[GraphEdge]:
    for number, edge in enumerate(as_list(raw)):
        ends = [_mapping(edge).get(name) for name in ("source", "target")]
        if not all(isinstance(each, str) and each in nodes for each in ends):
            continue
        given = edge.get("sourceHandle")
        handle = given if isinstance(given, str) else "source"
        label = _branch(_mapping(nodes[edge["source"]].get("data")), handle)
        yield GraphEdge(str(edge.get("id") or number), edge["source"], handle, edge["target"], label or UNSET)


def _branch(data: Mapping[str, Any], handle: str) -> str:
    """Return the name of a node's branch; ``""`` if unnamed."""
    match data.get("type"):
        case "if-else":
            cases = [case.get("case_id") or case.get("id") for case in map(_mapping, as_list(data.get("cases")))]
            place = next((place for place, case in enumerate(cases or ["true"]) if case == handle), None)
            if place is None:
                return "ELSE" if handle == "false" else ""
            return f"ELIF {place + 1}" if place else "IF"
        case "question-classifier":
            classes = map(_mapping, as_list(data.get("classes")))
            names = {str(one.get("id")): one.get("label") or one.get("name") for one in classes}
        case "human-input":
            names = {str(one.get("id")): one.get("title") for one in map(_mapping, as_list(data.get("user_actions")))}
        case _:
            return ""
    return str(names.get(handle) or "")[:_MAX_LABEL_LENGTH]


def _detail(kind: str, data: Mapping[str, Any]) -> str:
    model = _mapping(data.get("model"))
    if isinstance(model.get("name"), str):
        return str(model["name"])
    if kind == "start":
        count = len(as_list(data.get("variables")))
        return f"{count} input" + ("" if count == 1 else "s")
    if kind == "code":
        language = str(data.get("code_language") or "")
        return _LANGUAGES.get(language, language)
    if kind == "tool":
        return str(data.get("tool_label") or data.get("tool_name") or "")
    if kind == "agent":
        return str(data.get("agent_strategy_label") or data.get("agent_strategy_name") or "")
    if kind == "human-input":
        timeout = data.get("timeout")
        return f"{timeout} {data.get('timeout_unit') or ''}".strip() if timeout else ""
    if kind == "iteration" and data.get("is_parallel"):
        return f"{data.get('parallel_nums') or 10} in parallel"
    if kind == "loop" and data.get("loop_count"):
        return f"{data['loop_count']} rounds at most"
    return str(data.get("desc") or "")[:100]


def _note_text(raw: Json) -> str:
    """Return the text of a note, stored by its editor as a JSON tree."""
    if not isinstance(raw, str):
        return ""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return raw[:_MAX_NOTE_LENGTH]
    if not isinstance(tree, dict):
        return raw[:_MAX_NOTE_LENGTH]
    lines: list[str] = []
    for block in as_list(_mapping(tree.get("root")).get("children")):
        words: list[str] = []
        pending: list[Json] = [block]
        while pending and len(words) < _MAX_NOTE_LENGTH:
            part = _mapping(pending.pop())
            if isinstance(part.get("text"), str):
                words.append(part["text"])
            pending += reversed(as_list(part.get("children")))
        lines.append("".join(words))
    return "\n".join(lines).strip()[:_MAX_NOTE_LENGTH]


def _number(*values: Json) -> float | None:
    for value in values:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9:
            return float(value)
    return None


def _mapping(value: Json) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
