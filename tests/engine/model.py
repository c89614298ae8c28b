"""Reference model of a run's result, as simple and slow as possible.

Source: docs/dify-behaviour.md, “Branches, skipping, joins”, “Error strategies”, “Iteration”.

Graphs consist of steps; a step may contain steps of its own, which run in each of its rounds.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from jikko.dsl.document import EdgeEntry, NodeEntry
from tests.engine.graphs import edges, node

Kind: TypeAlias = Literal["work", "quick", "choice", "iteration", "loop"]


@dataclass
class Step:
    """Node of a random graph; its edges lead only to later steps of the list."""

    id: str
    kind: Kind
    fails: bool = False
    strategy: Literal["fail-branch", "default-value"] | None = None
    handle: str = "source"
    rounds: int = 0
    parallel: bool = False
    pauses: int = 0
    out: list[tuple[str, int]] = field(default_factory=list)
    """Handle, and index of the target in the list."""
    body: "list[Step]" = field(default_factory=list)


@dataclass
class Outcome:
    """Result of a list of steps."""

    ran: list[str]
    """Each step once per execution, in a possible order."""
    failed: bool


def expected(steps: list[Step]) -> Outcome:
    """Evaluate the steps in order: all edges lead forwards, so a step's incoming edges are already decided."""
    incoming: dict[int, list[bool]] = {0: [True]}
    ran: list[str] = []
    for place, step in enumerate(steps):
        if not any(incoming.get(place, [])):
            for _, target in step.out:
                incoming.setdefault(target, []).append(False)
            continue
        ran.append(step.id)
        failed = step.fails
        for _ in range(step.rounds if step.kind in ("iteration", "loop") else 0):
            inner = expected(step.body)
            ran += inner.ran
            if inner.failed:
                failed = True
                break
        if failed and step.strategy is None:
            return Outcome(ran, True)
        for handle, target in step.out:
            incoming.setdefault(target, []).append(_takes(step, handle, failed))
    return Outcome(ran, False)


def _takes(step: Step, handle: str, failed: bool) -> bool:
    if step.strategy == "fail-branch":
        wanted = "fail-branch" if failed else ("source" if step.kind != "choice" else step.handle)
        return handle == wanted
    if step.kind == "choice":
        return handle == ("source" if failed else step.handle)
    return True


def document(steps: list[Step], container: str | None = None) -> tuple[list[NodeEntry], list[EdgeEntry]]:
    """Return the steps as nodes and edges of a document. The first step is the start, or that of a body."""
    nodes: list[NodeEntry] = []
    connections: list[EdgeEntry] = []
    for step in steps:
        nodes += _nodes(step, container)
        for handle, target in step.out:
            connections += edges(f"{step.id} --{handle}--> {steps[target].id}")
        if step.body:
            first = f"{step.id}-start"
            inside, inner = document(step.body, step.id)
            nodes += [node(first, f"{step.kind}-start", container=step.id), *inside]
            connections += [*edges(f"{first} --> {step.body[0].id}"), *inner]
    return nodes, connections


def _nodes(step: Step, container: str | None) -> list[NodeEntry]:
    data: dict[str, Any] = {"fails": -1 if step.fails else 0, "handle": step.handle, "pauses": step.pauses, "value": 1}
    if step.strategy:
        data["error_strategy"] = step.strategy
        data["default_value"] = []
    kinds = {"work": "code", "quick": "template-transform", "choice": "question-classifier"}
    if step.kind in kinds:
        return [node(step.id, kinds[step.kind], container=container, **data)]
    data["start_node_id"] = f"{step.id}-start"
    if step.kind == "iteration":
        data |= {
            "iterator_selector": ["start", "items"],
            "output_selector": [step.body[0].id, "value"],
            "is_parallel": step.parallel,
            "parallel_nums": 2,
        }
    else:
        data |= {"loop_count": step.rounds, "break_conditions": [], "logical_operator": "and"}
    return [node(step.id, step.kind, container=container, **data)]
