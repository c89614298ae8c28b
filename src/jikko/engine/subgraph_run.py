"""Sub-graph executions, the top level of a run or one round of a container, with their variables. Part of
``RunState``."""

import asyncio
from collections.abc import Iterable, Mapping

from msgspec import Struct

from jikko.engine.schedule import Schedule
from jikko.events import ContainerStarted, RoundFinished, RoundPath, Usage
from jikko.graph.compiled import CompiledNode, Subgraph
from jikko.lang.variables import follow
from jikko.values import UNSET, Json, Selector, Unset, type_of


class Scope:
    """Variables by node and name. A round of an iteration has its own scope, which reads through to the outer one.

    Values are shared, and never modified in place.

    Source: docs/dify-behaviour.md, “Selectors”, “Iteration”.
    """

    __slots__ = ("_declared", "_outer", "_types", "_values")

    def __init__(self, declared: Mapping[Selector, str], outer: "Scope | None" = None) -> None:
        self._values: dict[str, dict[str, Json]] = {}
        self._declared = declared
        self._types: dict[Selector, str] = {}
        """Types of initial values of this scope."""
        self._outer = outer

    def inner(self) -> "Scope":
        """Return a nested scope, whose new variables this one does not see."""
        return Scope(self._declared, self)

    def get(self, selector: Selector) -> Json | Unset:
        length = len(selector)
        if length < 2:
            return UNSET
        node_id, name = selector[0], selector[1]
        scope: Scope | None = self
        while scope is not None:
            values = scope._values.get(node_id)
            if values is not None and name in values:
                return values[name] if length == 2 else follow(values[name], selector[2:])
            scope = scope._outer
        return UNSET

    def declared_type(self, selector: Selector) -> str | None:
        """Return a variable's declared type, if it has one. For a ``number``, and a loop variable, it is the type of
        the initial value.

        Source: Dify 1.15, recordings assigner_ops and chat_convvar_types; docs/dify-behaviour.md, “Loop”.
        """
        scope: Scope | None = self
        while scope is not None:
            if selector in scope._types:
                return scope._types[selector]
            scope = scope._outer
        return self._declared.get(selector)

    def begin(self, node_id: str, values: Mapping[str, Json]) -> None:
        """Write the initial values of declared variables."""
        self.write(node_id, values)
        for name, value in values.items():
            selector = (node_id, name)
            if self._declared.get(selector) in (None, "number"):
                self._types[selector] = type_of(value)

    def write(self, node_id: str, values: Mapping[str, Json]) -> None:
        if values:
            known = self._values.get(node_id)
            if known is None:
                self._values[node_id] = {**values}
            else:
                known.update(values)

    def assign(self, selector: Selector, value: Json) -> None:
        """Change a variable, here and in outer scopes that have it."""
        node_id, name = selector[0], selector[1]
        self.write(node_id, {name: value})
        scope = self._outer
        while scope is not None:
            if name in scope._values.get(node_id, ()):
                scope.write(node_id, {name: value})
            scope = scope._outer

    def forget(self, node_ids: Iterable[str]) -> None:
        for node_id in node_ids:
            self._values.pop(node_id, None)


FrameKey = tuple[str, int]
"""Execution of the container, and number of the round."""


class SubgraphRun:
    """A running body: the top level, or one round of a container."""

    __slots__ = ("body", "closed", "due", "ended", "failure", "open", "rounds", "schedule", "scope", "usage")

    def __init__(self, body: Subgraph, scope: Scope, rounds: RoundPath) -> None:
        self.scope = scope
        self.rounds = rounds
        self.open: dict[str, int] = {}
        """Running executions, with their nodes."""
        self.ended = False
        """Whether a ``loop-end`` node ran."""
        self.closed = False
        """Whether the round, or an outer one, is over: nothing happens in it any more."""
        self.failure: str | None = None
        """Error of the first unhandled failure."""
        self.usage: Usage | None = None
        self.begin(body)

    def begin(self, body: Subgraph) -> None:
        """Start at the body's root."""
        self.body = body
        self.schedule = Schedule(body)
        self.due: list[tuple[int, str | None]] = []
        """Ready nodes, each with the node whose end made it ready."""
        if body.root is not None:
            if body.silent_root:
                root = body.nodes[body.root]
                self.due.extend([(position, root.id) for position in self.schedule.finished(body.root)])
            else:
                self.due.append((body.root, None))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to run in it."""
        return self.failure is not None or not (self.due or self.open)


class SubgraphTasks(Struct, eq=False):
    future: asyncio.Future[None] | None = None
    """Completed at the end of the body, for its container; ``None`` while none waits."""
    tasks: set[asyncio.Task[None]] = set()
    """Of running nodes."""

    def cancel(self) -> None:
        """Cancel its nodes, even a calling container, which would wait for its round for ever."""
        for task in list(self.tasks):
            task.cancel()


class ContainerState(Struct, eq=False):
    frame: SubgraphRun
    """Frame that contains it."""
    node: CompiledNode
    started: ContainerStarted | None = None
    finished: dict[int, RoundFinished] = {}
    has_failed: bool = False
    """Whether a round, and so the container, has failed while others continue."""
