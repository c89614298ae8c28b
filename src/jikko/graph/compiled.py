"""Compiled workflow: immutable, and shared by all runs of a version."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.nodes.contract import Node
from jikko.values import Json, Selector


class CompiledNode(Struct, frozen=True, eq=False):
    id: str
    type: str
    title: str
    node: Node
    position: int
    """Its index in its body."""
    branch: bool
    """Whether only edges with its result's handle are taken.

    Source: docs/dify-behaviour.md, “Branches, skipping, joins”.
    """
    effects: bool = False
    """Whether it has external side effects: it starts only once the ends of earlier such nodes are durable."""
    retries: int = 0
    """Maximum number of attempts after the first."""
    retry_wait: float = 0.0
    """Seconds between attempts."""
    strategy: Literal["fail-branch", "default-value"] | None = None
    defaults: Mapping[str, Json] = field(default_factory=dict)
    """Outputs of a failed node with strategy ``default-value``."""
    body: "Subgraph | None" = None
    """Body of a container."""
    has_icon: bool = False
    """Whether it is ``Illustrated``."""


class Subgraph(Struct, frozen=True, eq=False):
    """Nodes scheduled together: the top level, or the inside of a container. Nodes are identified by index."""

    nodes: tuple[CompiledNode, ...]
    root: int | None
    """Start node; ``None`` for an empty container."""
    silent_root: bool
    """Whether the root is a container's start pseudo-node, which counts as finished without events."""
    edges: tuple[tuple[tuple[str, int], ...], ...]
    """Outgoing edges of each node, in file order: ``(handle, target)``."""
    incoming: tuple[int, ...]
    """Number of incoming edges of each node."""
    skipped: tuple[int, ...] = ()
    """Entry nodes other than the root, skipped from the start. Source: docs/dify-behaviour.md, “Nodes and edges”."""
    entries: tuple[int, ...] = ()
    """All entry nodes."""
    isolated: bool = False
    """Whether each round has its own variables (iteration) or shares the outer ones (loop)."""

    def decided(self) -> list[int]:
        """Return the nodes that each run starts or skips, in topological order. Others wait for ever: those on a cycle,
        those that nothing leads to, and those behind them."""
        undecided = list(self.incoming)
        found = list(self.skipped)
        if self.root is not None:
            undecided[self.root] = 0
            found.append(self.root)
        for source in found:
            for _, target in self.edges[source]:
                undecided[target] -= 1
                if undecided[target] == 0:
                    found.append(target)
        return found


class ResponseTemplate(Struct, frozen=True, eq=False):
    """Contribution of a node to the streamed text. Source: docs/dify-behaviour.md, “Order of streamed text”."""

    node_id: str
    position: int
    parts: tuple[str | Selector, ...]


class ResponseGroup(Struct, frozen=True, eq=False):
    """Responses whose text waits for the same edges."""

    responses: tuple[ResponseTemplate, ...]
    blocking: bytes
    """1 for each top-level node whose outgoing edges must be taken before later text is shown: branches, containers,
    response nodes, and assigners of variables in the responses. Source: docs/dify-behaviour.md, “Order of streamed
    text”."""


class CompiledGraph(Struct, frozen=True, eq=False):
    """Everything a run needs to know of its workflow."""

    body: Subgraph
    root_id: str
    nodes: Mapping[str, CompiledNode]
    """All nodes by id, including those in containers."""
    top: Mapping[str, int]
    """Indexes of the top-level nodes."""
    responses: tuple[ResponseGroup, ...]
    """All top-level responses."""
    sources: frozenset[Selector]
    """Variables shown by the responses."""
    environment: Mapping[str, Json] = field(default_factory=dict)
    conversation: Mapping[str, Json] = field(default_factory=dict)
    declared: Mapping[Selector, str] = field(default_factory=dict)
    """Declared types: of loop and conversation variables."""
    secrets: frozenset[str] = frozenset()
    """Names of secret environment variables with a value. Records show masks in their place."""
    features: Mapping[str, Any] = field(default_factory=dict)

    def begun_at(self, entry: str) -> "CompiledGraph":
        """Return the workflow for a run that begins at another entry node."""
        root, body = self.top[entry], self.body
        skipped = tuple(number for number in body.entries if number != root and body.incoming[number] == 0)
        return replace(self, body=replace(body, root=root, skipped=skipped), root_id=entry)
