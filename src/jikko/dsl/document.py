"""Parsed and repaired DSL file, the input of ``graph``; and dangling references from nodes to variables.

Values of nodes are left to their types. A node's data may hold many references that its type does not read: editors
leave old configuration behind. So dangling ones are warnings, and disabled parts are skipped.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.fields import Fields, NameSuggestions, as_selector, problem_at, shown
from jikko.lang.templates import Template
from jikko.lang.variables import RESERVED_NODES
from jikko.values import Json, Selector

AppMode: TypeAlias = Literal["workflow", "advanced-chat", "completion", "chat", "agent-chat"]
BASIC_MODES: Final = frozenset(("completion", "chat", "agent-chat"))
"""Apps without a workflow, whose graph is compiled from ``model_config`` (``dsl.app_config``)."""
CHAT_MODES: Final = frozenset(("advanced-chat", "chat", "agent-chat"))
"""Apps with conversations."""


class NodeEntry(Struct, frozen=True):
    """One node of the file. Notes are removed."""

    id: str
    type: str
    """``data.type``, with old names replaced."""
    data: Mapping[str, Any]
    """Repaired configuration, including unknown keys."""
    where: str
    """Path of ``data`` in the file: ``workflow.graph.nodes[3].data``."""
    container: str | None = None
    """Enclosing iteration or loop (also for its start pseudo-node)."""


class EdgeEntry(Struct, frozen=True):
    source: str
    target: str
    handle: str
    """``sourceHandle``; ``source`` by default."""
    where: str


class Variable(Struct, frozen=True):
    name: str
    value_type: str
    value: Json
    id: str = ""
    description: str = ""


class DslDocument(Struct, frozen=True):
    """A DSL file. Source: docs/dify-behaviour.md, “File format and import”."""

    version: str
    mode: AppMode
    name: str
    description: str
    icon_type: str
    icon: str
    icon_background: str
    use_icon_as_answer_icon: bool
    nodes: tuple[NodeEntry, ...]
    """In file order, including pseudo-nodes of containers."""
    edges: tuple[EdgeEntry, ...]
    root: str
    """Entry node: the first start or trigger node."""
    features: Mapping[str, Any] = field(default_factory=dict)
    environment: tuple[Variable, ...] = ()
    conversation: tuple[Variable, ...] = ()

    def feature(self, name: str) -> Mapping[str, Any]:
        """Return the settings of a feature; empty if disabled."""
        settings = self.features.get(name)
        return settings if settings and isinstance(settings, dict) and settings.get("enabled") is True else {}


_LOOKS: Final = frozenset({"title", "desc", "selected", "width", "height"})
"""Entries of a node's data without effect on runs."""
_VALUES: Final = ("env", "conversation")
"""Groups of variables with values in the file."""


def changed_nodes(old: DslDocument, new: DslDocument) -> list[str]:
    """Return the top-level nodes of a version that may behave differently than in an earlier one, in order.

    A node is unchanged if its configuration, incoming edges and content are equal; title and position do not count. One
    that reads environment or conversation variables has changed if any of them has.
    """
    before, after = _signatures(old), _signatures(new)
    groups = [
        name
        for name, one, other in zip(
            _VALUES, (old.environment, old.conversation), (new.environment, new.conversation), strict=True
        )
        if [(entry.name, entry.value_type, entry.value) for entry in one]
        != [(entry.name, entry.value_type, entry.value) for entry in other]
    ]
    return [
        node_id
        for node_id, text in after.items()
        if before.get(node_id) != text or any(f'"{group}"' in text or f"{group}." in text for group in groups)
    ]


def _signatures(document: DslDocument) -> dict[str, str]:
    members: dict[str | None, list[NodeEntry]] = {}
    for node in document.nodes:
        members.setdefault(node.container, []).append(node)
    into: dict[str, list[tuple[str, str]]] = {}
    for edge in document.edges:
        into.setdefault(edge.target, []).append((edge.source, edge.handle))

    def signature(node: NodeEntry) -> list[object]:
        data = {name: value for name, value in node.data.items() if name not in _LOOKS and not name.startswith("_")}
        inside = [signature(member) for member in members.get(node.id, ())]
        return [node.id, node.type, data, sorted(into.get(node.id, ())), inside]

    return {
        node.id: json.dumps(signature(node), sort_keys=True, default=str, ensure_ascii=False)
        for node in members.get(None, ())
    }


_MAX_SHOWN: Final = 20
_BRANCHING: Final = ("if-else", "question-classifier", "human-input")


def check_handles(nodes: Sequence[NodeEntry], edges: Sequence[EdgeEntry], problems: list[Diagnostic]) -> None:
    """Report edges that are never taken, and error strategies unsuitable for branches."""
    handles: dict[str, dict[str, None] | None] = {}
    for node in nodes:
        own = handles_of(node)
        handles[node.id] = None if own is None else dict.fromkeys(own)
        if node.type in _BRANCHING and node.data.get("error_strategy") == "default-value":
            what = Phrase("document.branch_default", {"node": repr(node.id)})
            problems.append(problem_at(f"{node.where}.error_strategy", what, Phrase("remedy.fail_branch")))
    for edge in edges:
        known = handles[edge.source]
        if known is None or edge.handle in known:
            continue
        what = Phrase("document.no_handle", {"node": repr(edge.source), "handle": shown(edge.handle)})
        has = " and ".join(map(shown, known)) if len(known) <= _MAX_SHOWN else f"{len(known)} others"
        problems.append(problem_at(edge.where, what, Phrase("remedy.has_handles", {"handles": has}), fatal=False))


def handles_of(node: NodeEntry) -> tuple[str, ...] | None:
    """Return the handles of a node; ``None`` if edges are taken whatever their handle."""
    fails = ("fail-branch",) if node.data.get("error_strategy") == "fail-branch" else ()
    match node.type:
        case "if-else":
            cases = node.data.get("cases")
            return (*(("true",) if cases is None else _texts(cases, "case_id")), "false", *fails)
        case "question-classifier":
            return (*_texts(node.data.get("classes"), "id"), *fails)
        case "human-input":
            return (*_texts(node.data.get("user_actions"), "id"), "__timeout", *fails)
        case _:
            return ("source", *fails) if fails else None


def _texts(items: Any, name: str) -> Iterator[str]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, Mapping):
            value = item.get(name)
            if isinstance(value, bool):
                yield str(value).lower()
            elif isinstance(value, (str, int, float)):
                yield str(value)


_READS_VARIABLES: Final = frozenset({"code", "template-transform", "variable-aggregator"})
"""Types that read ``variables``. On others, except for start, the key is a leftover."""

_MAX_KEY: Final = 60
"""Maximum characters of a key in the path of a problem."""


def check_references(
    nodes: Sequence[NodeEntry],
    environment: Sequence[Variable],
    conversation: Sequence[Variable],
    problems: list[Diagnostic],
) -> None:
    """Report selectors and templates that refer to missing nodes, environment variables or conversation variables."""
    ids = {node.id for node in nodes}
    names = {
        "env": {variable.name for variable in environment},
        "conversation": {variable.name for variable in conversation},
    }
    hints = {kind: NameSuggestions(known) for kind, known in names.items()}
    node_hints = NameSuggestions(ids)
    for node in nodes:
        reported: set[Selector] = set()
        pointed: Selector
        for path, selector in _pointers(node):
            owner, name = selector[0], selector[1]
            if owner in names:
                if name in names[owner]:
                    continue
                pointed, what = (owner, name), Phrase("document.no_variable", {"variable": f"{owner}.{name}"})
            elif owner not in ids and owner not in RESERVED_NODES:
                pointed, what = (owner,), Phrase("document.no_such_node", {"node": shown(owner)})
            else:
                continue
            if pointed not in reported:
                reported.add(pointed)
                hint = hints[owner].hint(name) if owner in names else node_hints.hint(owner)
                Fields(_written(node.where, path), {}, problems).problem("", what, hint, fatal=False)


def variables_read(node: NodeEntry, owners: Collection[str]) -> list[Selector]:
    """Return the variables in a node's configuration: owner and name, each once. ``owners``: Node ids, and ``sys``."""
    found: dict[Selector, None] = {}
    pending: list[Any] = [node.data]
    while pending:
        value = pending.pop()
        named: Sequence[Selector] = ()
        if isinstance(value, str):
            named = Template.parse(value).selectors if "{{#" in value else ()
        elif isinstance(value, list):
            selector = as_selector(value)
            if selector is not None and len(selector) > 1 and selector[0] in owners:
                named = [selector]
            else:
                pending += reversed(value)
        elif isinstance(value, Mapping) and value.get("enabled") is not False:
            pending += reversed([item for key, item in value.items() if not _is_left_over(node, value, key)])
        found |= dict.fromkeys(selector[:2] for selector in named if selector[0] in owners and len(selector) > 1)
    return list(found)


_Path = tuple["_Path", str | int] | tuple[()]
"""Parent path, and the key or index below it. Rendered only for problems: a file has many places."""


def _written(where: str, path: _Path) -> str:
    steps = []
    while path:
        path, step = path
        if isinstance(step, int):
            steps.append(f"[{step}]")
        else:
            steps.append(f".{step if len(step) <= _MAX_KEY else step[:_MAX_KEY] + '…'}")
    return where + "".join(reversed(steps))


def _pointers(node: NodeEntry) -> Iterator[tuple[_Path, Selector]]:
    """Yield every selector and reference in a node's configuration with its path, in file order."""
    pending: list[Iterator[tuple[_Path, Any]]] = [iter([((), node.data)])]
    while pending:
        found = next(pending[-1], None)
        if found is None:
            pending.pop()
            continue
        path, value = found
        if isinstance(value, str):
            if "{{#" in value:
                yield from ((path, selector) for selector in Template.parse(value).selectors)
        elif isinstance(value, list):
            pending.append(_items(path, value))
        elif isinstance(value, Mapping) and value.get("enabled") is not False:
            pending.append(_entries(node, path, value))
        elif isinstance(value, _Pointer) and value.selector is not None and len(value.selector) > 1:
            yield path, value.selector


class _Pointer(Struct, frozen=True):
    """A list that is a selector."""

    selector: Selector | None


def _items(path: _Path, items: list[Any]) -> Iterator[tuple[_Path, Any]]:
    return (((path, index), item) for index, item in enumerate(items))


def _entries(node: NodeEntry, path: _Path, mapping: Mapping[str, Any]) -> Iterator[tuple[_Path, Any]]:
    for key, item in mapping.items():
        if _is_left_over(node, mapping, key):
            continue
        below = (path, key)
        if key.endswith("selector") or (key == "query" and node.type == "parameter-extractor"):
            yield below, _Pointer(as_selector(item))
        elif key == "variables" and node.type == "variable-aggregator":
            if isinstance(item, list):
                yield from ((where, _Pointer(as_selector(one))) for where, one in _items(below, item))
        else:
            yield below, item


def _is_left_over(node: NodeEntry, mapping: Mapping[str, Any], key: str) -> bool:
    if key.startswith("_"):
        return True
    if mapping is not node.data:
        return False
    match key:
        case "model_selector":
            return True  # `dsl.declared_variables` reads it
        case "variables":
            return node.type not in _READS_VARIABLES
        case "conditions":
            return node.type == "if-else" and node.data.get("cases") is not None
        case "code":
            return node.type == "code"
        case "template":
            return node.type == "template-transform"
        case _:
            return False
