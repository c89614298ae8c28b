"""Dangling references from nodes to variables.

A node's data may hold many references that its type does not read: editors leave old configuration behind. So these are
warnings, and disabled parts are skipped.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.document import NodeEntry, Variable
from jikko.dsl.fields import Fields, NameSuggestions, as_selector, shown
from jikko.lang.templates import Template
from jikko.lang.variables import RESERVED_NODES
from jikko.values import Selector

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
    """Return the variables of given owners in a node's configuration: owner and name, each once. ``owners``: Ids of
    nodes, and ``sys``."""
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
