"""Pointers from nodes to variables of other nodes that do not exist.

A node may be pointed at from many places that its type does not read: editors leave old configuration behind. So this
only warns, and does not look into what is switched off.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jikko.dsl.document import NodeEntry, Variable
from jikko.dsl.fields import as_selector, shown
from jikko.dsl.suggestions import Suggestions
from jikko.errors import Problem
from jikko.lang.templates import Template
from jikko.lang.variables import RESERVED_NODES
from jikko.values import Selector

_READS_VARIABLES: Final = frozenset({"code", "template-transform", "variable-aggregator"})
"""Types whose ``variables`` are read. On others, except for start, the key is a left-over."""


def check_references(
    nodes: Sequence[NodeEntry],
    environment: Sequence[Variable],
    conversation: Sequence[Variable],
    problems: list[Problem],
) -> None:
    """Note selectors and templates that name a node, or an environment or conversation variable, that is not there."""
    ids = {node.id for node in nodes}
    names = {
        "env": {variable.name for variable in environment},
        "conversation": {variable.name for variable in conversation},
    }
    hints = {kind: Suggestions(known) for kind, known in names.items()}
    node_hints = Suggestions(ids)
    for node in nodes:
        reported = set()
        for where, selector in _pointers(node):
            owner, name = selector[0], selector[1]
            if owner in reported:
                continue
            if owner in names:
                if name not in names[owner]:
                    what = f"refers to {owner}.{name}, which does not exist"
                    problems.append(Problem(where, what, hints[owner].hint(name), fatal=False))
            elif owner not in ids and owner not in RESERVED_NODES:
                reported.add(owner)
                what = f"refers to node {shown(owner)}, which does not exist"
                problems.append(Problem(where, what, node_hints.hint(owner), fatal=False))


def _pointers(node: NodeEntry) -> Iterator[tuple[str, Selector]]:
    """Every selector and reference in the configuration of a node, and where it is."""
    pending: list[tuple[str, Any]] = [(node.where, node.data)]
    while pending:
        where, value = pending.pop()
        if isinstance(value, str):
            if "{{#" in value:
                yield from ((where, selector) for selector in Template.parse(value).selectors)
        elif isinstance(value, list):
            pending.extend((f"{where}[{index}]", item) for index, item in enumerate(value))
        elif isinstance(value, Mapping) and value.get("enabled") is not False:
            for key, item in value.items():
                if _is_left_over(node, value, key):
                    continue
                path = f"{where}.{key}"
                if key.endswith("selector") or (key == "query" and node.type == "parameter-extractor"):
                    selector = as_selector(item)
                    if selector is not None and len(selector) > 1:
                        yield path, selector
                elif key == "variables" and node.type == "variable-aggregator":
                    yield from _listed(path, item)
                else:
                    pending.append((path, item))


def _is_left_over(node: NodeEntry, mapping: Mapping[str, Any], key: str) -> bool:
    if key.startswith("_"):
        return True
    if mapping is not node.data:
        return False
    match key:
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


def _listed(where: str, selectors: Any) -> Iterator[tuple[str, Selector]]:
    for index, item in enumerate(selectors if isinstance(selectors, list) else ()):
        selector = as_selector(item)
        if selector is not None and len(selector) > 1:
            yield f"{where}[{index}]", selector
