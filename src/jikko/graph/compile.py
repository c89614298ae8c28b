"""Compiler from a document to a runnable graph. Problems that only node types can detect are reported here."""

from collections.abc import Iterable, Mapping
from typing import Any

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.common import read_common
from jikko.dsl.document import DslDocument, EdgeEntry, NodeEntry, Variable
from jikko.dsl.fields import Fields
from jikko.dsl.types import CONTAINER_STARTS, ENTRY_TYPES
from jikko.graph.compiled import CompiledGraph, CompiledNode, ResponseGroup, ResponseTemplate, Subgraph
from jikko.nodes.contract import Container, Illustrated, Node, Responder, VariableWriter
from jikko.nodes.flow.trigger import Trigger
from jikko.nodes.substitutes import Unsupported
from jikko.values import Selector

_PSEUDO_STARTS = frozenset(CONTAINER_STARTS.values())


def compile_graph(document: DslDocument, node_classes: Mapping[str, Any], problems: list[Diagnostic]) -> CompiledGraph:
    """Compile a valid document. ``node_classes``: With ``from_dsl``; other types fail.

    ``problems``: Collects problems of nodes. Use the graph only if none of them is fatal.
    """
    return _Compiler(document, node_classes, problems).graph()


def environment_of(variables: Iterable[Variable]) -> dict[str, Any]:
    """Return the fields ``environment`` and ``secrets`` of a ``CompiledGraph``."""
    known = tuple(variables)
    return {
        "environment": {variable.name: variable.value for variable in known},
        "secrets": frozenset(variable.name for variable in known if variable.value_type == "secret" and variable.value),
    }


def _check_schedule(fields: Fields) -> None:
    """Report a schedule that never runs. Other entries of its app may, so it can be published."""
    # Time zones are imported with the first schedule.
    from jikko.nodes.flow.schedule_node import never_due

    if reason := never_due(fields.raw):
        fields.problem("", Phrase("node_type.schedule", {"reason": reason}), fatal=False)


class _Compiler:
    def __init__(self, document: DslDocument, node_classes: Mapping[str, Any], problems: list[Diagnostic]) -> None:
        self._document = document
        self._classes = node_classes
        self._problems = problems
        self._compiled: dict[str, CompiledNode] = {}
        self._members: dict[str | None, list[NodeEntry]] = {}
        for entry in document.nodes:
            self._members.setdefault(entry.container, []).append(entry)
        self._edges: dict[str, list[EdgeEntry]] = {}
        for edge in document.edges:
            self._edges.setdefault(edge.source, []).append(edge)

    def graph(self) -> CompiledGraph:
        document = self._document
        for container in self._innermost_first():
            self._compiled |= {node.id: node for node in self._body_nodes(container)}
        top_nodes = self._body_nodes(None)
        self._compiled |= {node.id: node for node in top_nodes}
        body = self._body(top_nodes, document.root, isolated=False)
        top = {node.id: node.position for node in top_nodes}
        declared: dict[Selector, str] = {
            ("conversation", variable.name): variable.value_type for variable in document.conversation
        }
        responses = self._responses(top_nodes)
        return CompiledGraph(
            body=body,
            root_id=document.root,
            nodes=self._compiled,
            top=top,
            responses=responses,
            sources=frozenset(
                part
                for group in responses
                for response in group.responses
                for part in response.parts
                if isinstance(part, tuple)
            ),
            **environment_of(document.environment),
            conversation={variable.name: variable.value for variable in document.conversation},
            declared=declared,
            features=document.features,
        )

    def _innermost_first(self) -> list[str]:
        levels: list[list[str]] = []
        level = self._containers_in(None)
        while level:
            levels.append(level)
            level = [inner for container in level for inner in self._containers_in(container)]
        return [container for level in reversed(levels) for container in level]

    def _containers_in(self, container: str | None) -> list[str]:
        return [entry.id for entry in self._members.get(container, ()) if entry.id in self._members]

    def _body_nodes(self, container: str | None) -> list[CompiledNode]:
        return [self._node(entry, position) for position, entry in enumerate(self._members.get(container, ()))]

    def _node(self, entry: NodeEntry, position: int) -> CompiledNode:
        fields = Fields(entry.where, entry.data, self._problems)
        common = read_common(fields)
        node = self._implementation(entry, fields)
        body = None
        if isinstance(node, Container):
            inside = [self._compiled[member.id] for member in self._members.get(entry.id, ())]
            body = self._body(inside, node.start_node_id, isolated=node.isolated)
        return CompiledNode(
            id=entry.id,
            type=entry.type,
            title=common.title,
            node=node,
            position=position,
            branch=node.branching or common.error_strategy == "fail-branch",
            effects=getattr(node, "has_effects", False),
            retries=common.max_retries if common.retry_enabled else 0,
            retry_wait=common.retry_interval,
            strategy=common.error_strategy,
            defaults=common.default_value,
            body=body,
            has_icon=isinstance(node, Illustrated),
        )

    def _implementation(self, entry: NodeEntry, fields: Fields) -> Node:
        cls = self._classes.get(entry.type)
        if cls is not None:
            node: Node = cls.from_dsl(fields)
            return node
        if entry.id == self._document.root or (entry.container is None and entry.type.startswith("trigger-")):
            if entry.type == "trigger-schedule":
                _check_schedule(fields)
            return Trigger.of(entry.type, entry.data)
        return Unsupported.of(entry.type, entry.data)

    def _body(self, nodes: list[CompiledNode], root: str, *, isolated: bool) -> Subgraph:
        numbers = {node.id: node.position for node in nodes}
        incoming = [0] * len(nodes)
        edges: list[tuple[tuple[str, int], ...]] = []
        for node in nodes:
            out = [
                (edge.handle, numbers[edge.target]) for edge in self._edges.get(node.id, ()) if edge.target in numbers
            ]
            for _, target in out:
                incoming[target] += 1
            edges.append(tuple(out))
        root_number = numbers.get(root)
        entries = tuple(node.position for node in nodes if node.type in ENTRY_TYPES)
        return Subgraph(
            nodes=tuple(nodes),
            root=root_number,
            silent_root=root_number is not None and nodes[root_number].type in _PSEUDO_STARTS,
            edges=tuple(edges),
            incoming=tuple(incoming),
            skipped=tuple(number for number in entries if number != root_number and incoming[number] == 0),
            entries=entries,
            isolated=isolated,
        )

    def _responses(self, nodes: list[CompiledNode]) -> tuple[ResponseGroup, ...]:
        writers: dict[Selector, list[int]] = {}
        for node in nodes:
            if isinstance(node.node, VariableWriter):
                for selector in node.node.writes():
                    writers.setdefault(selector[:2], []).append(node.position)
        always = bytes(node.branch or node.body is not None or isinstance(node.node, Responder) for node in nodes)
        found: dict[bytes, list[ResponseTemplate]] = {}
        for node in sorted(nodes, key=lambda node: node.id):
            if isinstance(node.node, Responder):
                parts = node.node.parts()
                blocking = bytearray(always)
                for part in parts:
                    for position in writers.get(part[:2], ()) if isinstance(part, tuple) else ():
                        blocking[position] = 1
                found.setdefault(bytes(blocking), []).append(ResponseTemplate(node.id, node.position, parts))
        return tuple(ResponseGroup(tuple(responses), blocking) for blocking, responses in found.items())
