"""Differences of two versions of a workflow."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from jikko.dsl.document import DslDocument, EdgeEntry, NodeEntry, Variable
from jikko.runs.reading.field_changes import Change, ChangedField, field_changes
from jikko.values import Json

_PLACE: Final = frozenset({"selected", "width", "height"})
"""Entries of a node's data that say how it is drawn."""
_SECRET: Final = "secret"
_MASK: Final = "***"
_MAX_FIELDS: Final = 500
"""Fields of one node."""


class ChangedNode(Struct, frozen=True):
    """A node that is new, gone, or another one."""

    id: str
    title: str
    type: str
    change: Change
    fields: list[ChangedField]


class ChangedEdge(Struct, frozen=True):
    """An edge that is new or gone."""

    source: str
    handle: str
    target: str
    change: Change


class VersionDiff(Struct, frozen=True):
    """What is different in two versions."""

    # Where nodes stand does not count.
    nodes: list[ChangedNode]
    edges: list[ChangedEdge]
    features: list[ChangedField]
    """Of features, variables, and what the app is called."""


def difference(old: DslDocument, new: DslDocument) -> VersionDiff:
    """What changed from one version to another."""
    before, after = ({node.id: node for node in document.nodes} for document in (old, new))
    nodes = [_changed(before[node_id], node) for node_id, node in after.items() if node_id in before]
    found = [
        *(change for change in nodes if change is not None),
        *(_whole(node, "added") for node_id, node in after.items() if node_id not in before),
        *(_whole(node, "removed") for node_id, node in before.items() if node_id not in after),
    ]
    return VersionDiff(found, list(_edges(old.edges, new.edges)), list(field_changes("", _rest(old), _rest(new))))


def _changed(old: NodeEntry, new: NodeEntry) -> ChangedNode | None:
    before, after = ({name: value for name, value in node.data.items() if name not in _PLACE} for node in (old, new))
    fields = list(field_changes("", before, after))
    if old.container != new.container:
        fields.append(ChangedField("/container", old.container, new.container))
    return ChangedNode(new.id, _title(new), new.type, "changed", fields[:_MAX_FIELDS]) if fields else None


def _whole(node: NodeEntry, change: Change) -> ChangedNode:
    return ChangedNode(node.id, _title(node), node.type, change, [])


def _title(node: NodeEntry) -> str:
    return str(node.data.get("title") or node.id)


def _edges(old: tuple[EdgeEntry, ...], new: tuple[EdgeEntry, ...]) -> Iterator[ChangedEdge]:
    before, after = ({(edge.source, edge.handle, edge.target): None for edge in edges} for edges in (old, new))
    yield from (ChangedEdge(*edge, "added") for edge in after if edge not in before)
    yield from (ChangedEdge(*edge, "removed") for edge in before if edge not in after)


def _rest(document: DslDocument) -> dict[str, Json]:
    return {
        "app": {"name": document.name, "description": document.description, "icon": document.icon},
        "features": dict(document.features),
        "environment_variables": _variables(document.environment),
        "conversation_variables": _variables(document.conversation),
    }


def _variables(variables: tuple[Variable, ...]) -> dict[str, Json]:
    return {
        variable.name: {
            "type": variable.value_type,
            "value": (_MASK if variable.value else "") if variable.value_type == _SECRET else variable.value,
            "description": variable.description,
        }
        for variable in variables
    }
