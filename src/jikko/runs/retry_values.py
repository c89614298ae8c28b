"""Values for a retry from outside: outputs that replace those taken over, and outputs of mocked nodes."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from jikko.apps.versions import Workflow
from jikko.dsl.document import handles_of, variables_read
from jikko.dsl.fields import did_you_mean
from jikko.engine.retry_log import nodes_taken_over, nodes_to_rerun, top_of
from jikko.errors import InvalidParam
from jikko.events import Event, NodeFinished, RunStarted
from jikko.graph.compiled import CompiledGraph
from jikko.graph.mocks import unknown_mocks
from jikko.nodes.contract import NodeFailure
from jikko.nodes.substitutes import CAN_FAKE, FAKE_MODEL, MockedBranch
from jikko.values import Json, is_file, is_too_deep, type_of

Outputs: TypeAlias = dict[str, dict[str, Json]]

_UNMOCKED: Final = frozenset(("start", "iteration-start", "loop-start", "loop-end", "end", "answer"))
_SYSTEM: Final = ("query",)
"""Replaceable names of ``sys``: the others describe the run or its user."""


class RetryValues(Struct, frozen=True):
    values: Outputs = field(default_factory=dict)
    """Replacements of recorded outputs, or of the run's inputs (those of the start node); ``sys`` has ``query``."""
    mocks: Outputs = field(default_factory=dict)
    """Outputs of nodes that must not run, by id or title; ``FAKE_MODEL`` runs one with a fake model."""

    def __bool__(self) -> bool:
        return bool(self.values or self.mocks)


class MockableNode(Struct, frozen=True):
    """Node that would run again."""

    id: str
    outputs: dict[str, Json] | None
    """Its outputs in the other run; ``None`` if it did not end, or failed."""
    handles: Sequence[str]
    """Handles of its branches; empty if it does not branch."""
    can_fake: bool
    """Whether it calls a model, which a fake one can replace."""


class RepeatedRun(Struct, frozen=True):
    """Run to be retried, to determine which values may be given."""

    workflow: Workflow
    log: Sequence[Event]
    began: RunStarted
    from_nodes: Sequence[str]

    @property
    def _root(self) -> str:
        return self.began.entry or self.workflow.graph.root_id

    def _beginnings(self) -> Collection[str]:
        """Return the nodes from which it is retried; if none failed, all that did not end: such a run continues where
        it was stopped, or from its inputs."""
        if self.from_nodes:
            return self.from_nodes
        return self.workflow.graph.top.keys() - nodes_taken_over(self.workflow.graph, self.log, ())

    def _again(self) -> set[str]:
        return nodes_to_rerun(self.workflow.graph, self._beginnings())

    def read(self) -> Outputs:
        """Return what the nodes from which it is retried read, with the recorded values, by owner and name."""
        return self._read_by(self._beginnings())

    def mockable(self) -> list[MockableNode]:
        """Return the nodes that run again and could be mocked, in the order of the file."""
        graph, again, recorded = self.workflow.graph, self._again(), self._recorded()
        return [
            MockableNode(entry.id, recorded.get(entry.id), _handles(self.workflow, entry.id), entry.type in CAN_FAKE)
            for entry in self.workflow.document.nodes
            if entry.type not in _UNMOCKED and entry.id != self._root and top_of(graph, entry.id) in again
        ]

    def checked(self, given: RetryValues) -> RetryValues:
        """Return the given values, with mocks by node id. Raises ``InvalidParam``: unknown node or output, an output
        that nothing reads, a branch without its handle, a type other than recorded, a file that the run does not
        have. One message lists all errors."""
        mocks = mocks_by_id(self.workflow.graph, given.mocks)
        problems = [f"mocks: {problem}" for problem in unknown_mocks([self.workflow.graph], given.mocks)]
        recorded = self._recorded()
        problems += [
            f"mocks: {node.id!r} is given by its title {node.title!r}, too: give it once"
            for node in self.workflow.graph.nodes.values()
            if node.id != node.title and node.id in given.mocks and node.title in given.mocks
        ]
        files = set(_files([self.began.inputs, self.began.system, *recorded.values()]))
        for node_id, outputs in mocks.items():
            problems += [f"mocks: {problem}" for problem in self._wrong_mock(node_id, outputs)]
            problems += _wrong(f"mocks: {node_id}", outputs, recorded.get(node_id, {}), files)
        known = self._read_by(self._again())
        for owner, values in given.values.items():
            problems += self._wrong_values(owner, values, known)
            problems += _wrong(f"values: {owner}", values, known.get(owner, {}), files)
        if problems:
            raise InvalidParam("; ".join(problems))
        return RetryValues(given.values, mocks)

    def _wrong_mock(self, node_id: str, outputs: Mapping[str, Json]) -> Iterator[str]:
        if node_id == self._root:
            yield f"{node_id!r} is where the run begins: give its values instead of a mock"
        elif outputs == FAKE_MODEL:
            if self.workflow.graph.nodes[node_id].type not in CAN_FAKE:
                yield f"{node_id!r} has no model: fake_model is for nodes of the types {', '.join(sorted(CAN_FAKE))}"
        elif set(outputs) == {"error"}:
            if not isinstance(outputs["error"], str):
                yield f"{node_id!r}: error must be a text"
        elif handles := _handles(self.workflow, node_id):
            says = f"It is left by {' or '.join(handles)}"
            try:
                handle = MockedBranch(outputs).handle()
            except NodeFailure as failure:
                yield f"{node_id!r}: {failure} {says}"
            else:
                if handle not in handles:
                    yield f"{node_id!r} is not left by {handle!r}. {says}"
                elif "selected_case_id" in outputs and outputs.get("result") is (handle == "false"):
                    yield f"{node_id!r}: result and selected_case_id contradict each other"

    def _wrong_values(self, owner: str, values: Mapping[str, Json], known: Outputs) -> Iterator[str]:
        graph = self.workflow.graph
        if owner != "sys" and owner not in graph.nodes:
            hint = did_you_mean(owner, list(graph.nodes))
            yield f"values: no node {owner!r}" + (f" ({hint})" if hint else "")
        elif owner != self._root and owner in self._again():
            yield f"values: {owner!r} runs again: mock it, to give its outputs"
        else:
            names = known.get(owner, {})
            for name in values:
                if name not in names:
                    has = ", ".join(sorted(names)) or "nothing"
                    yield f"values: nothing that runs again reads {owner}.{name} (of {owner!r} it reads {has})"

    def _recorded(self) -> Outputs:
        return {
            event.node_id: event.outputs
            for event in self.log
            if isinstance(event, NodeFinished) and event.status == "succeeded"
        }

    def _read_by(self, readers: Collection[str]) -> Outputs:
        """Return what some top-level nodes, and those within them, read from others."""
        graph, root = self.workflow.graph, self._root
        kept = graph.top.keys() - self._again()
        recorded: dict[str, Any] = {
            **{node_id: outputs for node_id, outputs in self._recorded().items() if node_id in kept},
            root: self.began.inputs,
            "sys": {name: self.began.system[name] for name in _SYSTEM if name in self.began.system},
        }
        found: Outputs = {root: dict(self.began.inputs)} if root in readers else {}
        for entry in self.workflow.document.nodes:
            if top_of(graph, entry.id) not in readers:
                continue
            for owner, name in variables_read(entry, recorded):
                if name in recorded[owner]:
                    found.setdefault(owner, {})[name] = recorded[owner][name]
        return found


def mocks_by_id(graph: CompiledGraph, mocks: Outputs) -> Outputs:
    """Return mocks by node id; an id takes precedence over a title, unknown nodes are left out."""
    found = {node.id: mocks.get(node.id, mocks.get(node.title)) for node in graph.nodes.values()}
    return {node_id: outputs for node_id, outputs in found.items() if outputs is not None}


def _handles(workflow: Workflow, node_id: str) -> Sequence[str]:
    if not workflow.graph.nodes[node_id].node.branching:
        return ()
    entry = next(each for each in workflow.document.nodes if each.id == node_id)
    return [handle for handle in handles_of(entry) or () if handle != "fail-branch"]


def _wrong(what: str, given: dict[str, Json], recorded: Mapping[str, Json], files: set[str]) -> Iterator[str]:
    if is_too_deep(given):
        yield f"{what}: nested too deeply"
        return
    for name, value in given.items():
        before = recorded.get(name)
        if value is not None and before is not None and (kind := _kind(before)) != _kind(value):
            yield f"{what}.{name} must be of the type {kind}, as in the retried run"
    if not files >= set(_files(given)):
        yield f"{what}: a file must be one of the retried run"


def _kind(value: Json) -> str:
    kind = type_of(value)
    return "number" if kind in ("integer", "float") else "array" if kind.startswith("array") else kind


def _files(value: Any) -> Iterator[str]:
    """Yield the files in a value, at any depth, as JSON: a forged mapping must not reach another user's file."""
    pending = [value]
    while pending:
        one = pending.pop()
        if is_file(one):
            yield json.dumps(one, sort_keys=True)
        elif isinstance(one, Mapping):
            pending += one.values()
        elif isinstance(one, list):
            pending += one
