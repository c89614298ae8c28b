"""Changes between two versions of a workflow."""

import json
from typing import Final

from jikko.dsl.document import DslDocument, NodeEntry

_LOOKS: Final = frozenset({"title", "desc", "selected", "width", "height"})
"""Entries of a node's data that change nothing that it does."""
_VALUES: Final = ("env", "conversation")
"""Groups of variables whose values stand in the file."""


def changed_nodes(old: DslDocument, new: DslDocument) -> list[str]:
    """The nodes at the top level of a version that may do something else than in an earlier one, in its order.

    A node is the same if its configuration, the edges into it, and all that is inside of it are; what it is called and
    where it stands does not count. One that reads environment or conversation variables has changed if any of them has.
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
    """All that a node at the top level does, as a text, by its id."""
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
