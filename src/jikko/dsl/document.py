"""Parsed and repaired DSL file, the input of ``graph``. Values of nodes are left to their types."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.fields import problem_at, shown
from jikko.values import Json

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
