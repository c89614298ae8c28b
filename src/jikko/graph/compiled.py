"""A workflow, compiled: immutable, and shared by all runs of a version."""

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
    """Its number in its body."""
    branch: bool
    """Whether only the edges with the handle of its result are taken.

    Source: docs/dify-behaviour.md, “Branches, skipping, joins”.
    """
    effects: bool = False
    """Whether it acts on the world outside: it starts only once the ends of such nodes before it are durable."""
    retries: int = 0
    """Further attempts after the first."""
    retry_wait: float = 0.0
    """Seconds between attempts."""
    strategy: Literal["fail-branch", "default-value"] | None = None
    defaults: Mapping[str, Json] = field(default_factory=dict)
    """Outputs of a failed node with strategy ``default-value``."""
    body: "Subgraph | None" = None
    """A container's body."""
    has_icon: bool = False
    """Whether it is ``Illustrated``."""


class Subgraph(Struct, frozen=True, eq=False):
    """Nodes that are scheduled together: the top level, or the inside of a container. Nodes go by their number."""

    nodes: tuple[CompiledNode, ...]
    root: int | None
    """Where it begins; ``None`` for an empty container."""
    silent_root: bool
    """Whether the root is a container's start pseudo-node: it counts as finished, without events."""
    edges: tuple[tuple[tuple[str, int], ...], ...]
    """For each node its outgoing edges, in the order of the file: ``(handle, target)``."""
    incoming: tuple[int, ...]
    """For each node the number of its incoming edges."""
    skipped: tuple[int, ...] = ()
    """Entry nodes that are not the root: skipped from the start. Source: docs/dify-behaviour.md, “Nodes and edges”."""
    entries: tuple[int, ...] = ()
    """All entry nodes."""
    isolated: bool = False
    """Whether each round has variables of its own (iteration) or shares those around it (loop)."""


class ResponseTemplate(Struct, frozen=True, eq=False):
    """What a node adds to the streamed text. Source: docs/dify-behaviour.md, “Order of streamed text”."""

    node_id: str
    position: int
    parts: tuple[str | Selector, ...]


class ResponseGroup(Struct, frozen=True, eq=False):
    """Responses whose text waits for the same edges."""

    responses: tuple[ResponseTemplate, ...]
    blocking: bytes
    """1 for each node at the top level whose outgoing edges must be taken before text behind them is shown: branches,
    containers and response nodes, and assigners that write a variable of the responses. Source: docs/dify-behaviour.md,
    “Order of streamed text”."""


class CompiledGraph(Struct, frozen=True, eq=False):
    """Everything that a run needs to know of its workflow."""

    body: Subgraph
    root_id: str
    nodes: Mapping[str, CompiledNode]
    """All nodes, those in containers too, by id."""
    top: Mapping[str, int]
    """The numbers of the nodes at the top level."""
    responses: tuple[ResponseGroup, ...]
    """All responses at the top level."""
    sources: frozenset[Selector]
    """The variables that they show."""
    environment: Mapping[str, Json] = field(default_factory=dict)
    conversation: Mapping[str, Json] = field(default_factory=dict)
    declared: Mapping[Selector, str] = field(default_factory=dict)
    """Types of variables that are declared with one: loop and conversation variables."""
    secrets: frozenset[str] = frozenset()
    """The names of the secret environment variables that have a value. Records show masks in their place."""
    features: Mapping[str, Any] = field(default_factory=dict)

    def begun_at(self, entry: str) -> "CompiledGraph":
        """The same workflow for a run that begins at another of its entry nodes."""
        root, body = self.top[entry], self.body
        skipped = tuple(number for number in body.entries if number != root and body.incoming[number] == 0)
        return replace(self, body=replace(body, root=root, skipped=skipped), root_id=entry)
