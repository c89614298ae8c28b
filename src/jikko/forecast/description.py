"""Summary of a workflow: inputs, nodes and outputs of a DSL file."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from jikko.apps.model_needs import Need, needs_of
from jikko.dsl.document import DslDocument, Variable
from jikko.dsl.start_variables import StartVariable
from jikko.forecast.known_installation import host_of, known_start, written_host
from jikko.graph.compiled import CompiledGraph
from jikko.inputs.samples import samples_of
from jikko.nodes.flow.answer import Answer
from jikko.nodes.flow.end import End
from jikko.nodes.flow.human_input import HumanInput
from jikko.nodes.flow.start import Start
from jikko.nodes.http.http_request import HttpRequest
from jikko.values import Json, Selector


class Output(msgspec.Struct, frozen=True):
    name: str
    source: str
    """Source of its value: ``Title.variable``."""
    node: str
    """Id of its end or answer node."""


class NodeLine(msgspec.Struct, frozen=True):
    id: str
    type: str
    title: str
    container: str | None
    """Id of the enclosing iteration or loop."""
    where: str
    """Path of its configuration in the document."""


class EnvironmentEntry(msgspec.Struct, frozen=True):
    name: str
    type: str
    is_set: bool
    value: Json
    """``None`` for a secret."""
    place: str
    """Source of the value, as named by ``jikko apps env`` and messages; ``""`` for the file."""


class FormDescription(msgspec.Struct, frozen=True):
    node: str
    title: str
    inputs: tuple[str, ...]
    actions: tuple[str, ...]
    """Ids of its buttons."""
    seconds: float
    """Time to submit it."""


class Description(msgspec.Struct, frozen=True):
    name: str
    mode: str
    description: str
    version: str
    """Version of the DSL."""
    inputs: tuple[StartVariable, ...]
    outputs: tuple[Output, ...]
    nodes: tuple[NodeLine, ...]
    """In file order, without the start nodes of containers."""
    models: tuple[Need, ...]
    environment: tuple[EnvironmentEntry, ...]
    hosts: tuple[str, ...]
    """Distinct hosts of requests; a part that depends on the run is in braces, as in the file."""
    forms: tuple[FormDescription, ...]
    sample: Mapping[str, Json]
    """Sample inputs that start a run: see ``samples_of``."""


def describe(document: DslDocument, graph: CompiledGraph, environment: Iterable[tuple[Variable, str]]) -> Description:
    """Describe a workflow. ``environment``: Its variables, with the sources of their values."""
    environment = list(environment)
    start = graph.nodes[graph.root_id].node
    inputs = start.variables if isinstance(start, Start) else ()
    return Description(
        name=document.name,
        mode=document.mode,
        description=document.description,
        version=document.version,
        inputs=inputs,
        outputs=tuple(_outputs(graph)),
        nodes=tuple(
            NodeLine(entry.id, entry.type, graph.nodes[entry.id].title, entry.container, entry.where)
            for entry in document.nodes
            if not entry.type.endswith(("iteration-start", "loop-start"))
        ),
        models=tuple(needs_of((entry.id, entry.data) for entry in document.nodes)),
        environment=tuple(
            EnvironmentEntry(
                variable.name,
                variable.value_type,
                variable.value != "",
                None if variable.value_type == "secret" else variable.value,
                place,
            )
            for variable, place in environment
        ),
        hosts=tuple(dict.fromkeys(_hosts([variable for variable, _ in environment], graph))),
        forms=tuple(_forms(graph)),
        sample=samples_of(inputs),
    )


def _outputs(graph: CompiledGraph) -> Iterator[Output]:
    for node in graph.body.nodes:
        if isinstance(node.node, End):
            for name, selector in node.node.outputs:
                yield Output(name, _source(selector, graph), node.id)
        elif isinstance(node.node, Answer):
            sources = (_source(selector, graph) for selector in node.node.template.selectors)
            yield Output("answer", ", ".join(dict.fromkeys(sources)), node.id)


def _source(selector: Selector, graph: CompiledGraph) -> str:
    if not selector:
        return ""
    node = graph.nodes.get(selector[0])
    return ".".join((node.title or node.id if node is not None else selector[0], *selector[1:]))


def _hosts(variables: Iterable[Variable], graph: CompiledGraph) -> Iterator[str]:
    environment: dict[str, Any] = {
        variable.name: variable.value for variable in variables if variable.value_type != "secret"
    }
    for node in graph.nodes.values():
        if isinstance(node.node, HttpRequest):
            host = host_of(*known_start(node.node.url, environment))
            yield host or written_host(node.node.url)


def _forms(graph: CompiledGraph) -> Iterator[FormDescription]:
    for node in graph.nodes.values():
        if isinstance(node.node, HumanInput):
            yield FormDescription(
                node=node.id,
                title=node.title or node.id,
                inputs=tuple(field.name for field in node.node.inputs),
                actions=tuple(str(action["id"]) for action in node.node.actions),
                seconds=node.node.seconds,
            )
