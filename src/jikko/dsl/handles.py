"""The handles of nodes, and edges that leave by others. Source: docs/dify-behaviour.md, “Nodes and edges”."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.document import EdgeEntry, NodeEntry
from jikko.dsl.fields import problem_at, shown

_MAX_SHOWN: Final = 20
_BRANCHING: Final = ("if-else", "question-classifier", "human-input")


def check_handles(nodes: Sequence[NodeEntry], edges: Sequence[EdgeEntry], problems: list[Diagnostic]) -> None:
    """Note edges that are never taken, and error strategies that a branch cannot follow."""
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
    """The handles of a node; ``None`` if edges are taken whatever their handle."""
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
