"""Contract of nodes: classes, results, usage. The engine's side is ``node_context.py``."""

from collections.abc import Coroutine, Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec

from jikko.events import Update, Usage
from jikko.ports.node_ports import NodePorts
from jikko.values import Json, Selector, Unset


class Result(msgspec.Struct, frozen=True, gc=False):
    """Result of a successful node."""

    outputs: Mapping[str, Json] = {}
    """Output variables, also recorded."""
    inputs: Mapping[str, Json] = {}
    """Recorded only."""
    process_data: Mapping[str, Json] = {}
    """Recorded only."""
    handle: str = "source"
    """Outgoing edges to take; for branch nodes only."""
    updates: tuple[Update, ...] = ()
    """Changes to variables of other nodes."""
    usage: Usage | None = None
    metadata: Mapping[str, Json] = {}
    """Entries of ``execution_metadata``."""
    steps: int = 0
    """Containers only: ``steps`` of the completed event."""
    resources: tuple[dict[str, Json], ...] = ()
    """Knowledge passages used by the node, in Dify's form: see ``NodeFinished.resources``."""


class NodeFailure(Exception):
    """A node failed: it is retried, handled by a strategy, or fails the run. The message is for the user."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "",
        inputs: Mapping[str, Json] | None = None,
        process_data: Mapping[str, Json] | None = None,
        outputs: Mapping[str, Json] | None = None,
        usage: Usage | None = None,
        metadata: Mapping[str, Json] | None = None,
        steps: int = 0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        """``error_type``: a class-like name, as in docs/dify-behaviour.md, “Node types”, or ``""``."""
        self.inputs = inputs or {}
        self.process_data = process_data or {}
        self.outputs = outputs or {}
        """Recorded outputs of a failure that no strategy handles."""
        self.usage = usage
        self.metadata = metadata or {}
        self.steps = steps


class NodePaused(Exception):
    """A node waits for a human, and runs again once its form is closed."""

    def __init__(self, form: Mapping[str, Json], *, source: str, expires_at: float) -> None:
        """``form``: For clients, without ``form_id``, ``node_id`` and ``node_title``. ``source``: Its text in the file.
        ``expires_at``: Deadline in seconds since the Unix epoch."""
        super().__init__("waits for a human")
        self.form = dict(form)
        self.source = source
        self.expires_at = expires_at


class Values(Protocol):
    """Readable variables."""

    def get(self, selector: Selector) -> Json | Unset:
        """Return the selected value, or ``UNSET`` if there is none. Never modify it in place."""

    def declared_type(self, selector: Selector) -> str | None:
        """Return the declared type of a loop or conversation variable, if it has one."""


class RunInfo(Protocol):
    @property
    def run_id(self) -> str: ...
    @property
    def app_id(self) -> str: ...
    @property
    def workflow_id(self) -> str: ...
    @property
    def end_user_id(self) -> str: ...
    @property
    def user(self) -> str: ...


class RoundOutcome(msgspec.Struct, frozen=True, gc=False):
    outputs: Mapping[str, Json]
    """Result of ``collect``."""
    error: str | None
    """Error of the node that failed the round, if any."""
    ended: bool
    """Whether a ``loop-end`` node ran."""
    last: bool
    """Result of ``is_last``."""
    usage: Usage | None
    elapsed: float


class Node(Protocol):
    """Node of a compiled graph: configured, immutable, shared by all runs.

    Classes also have ``from_dsl(cls, data: Fields) -> Self``, which reports problems in ``data`` instead of raising.
    """

    type: ClassVar[str]
    immediate: ClassVar[bool]
    """Whether ``run`` rarely suspends; the engine then runs it inline, without a task. If it suspends, it is dropped
    and restarted in a task: so it must be free of side effects until then."""
    branching: ClassVar[bool]
    """Whether only edges with the result's handle are taken."""

    # Classes with external side effects (HTTP requests, paid models) also have ``has_effects: ClassVar[bool] = True``.

    def run(self, ctx: Any) -> Coroutine[Any, Any, Result]:
        """Run the node, with a ``ContainerContext`` for containers. Raises ``NodeFailure`` if it fails."""


class NodeConfig(msgspec.Struct, frozen=True):
    """Base of nodes that are structs: by default neither ``immediate`` nor ``branching``."""

    immediate: ClassVar[bool] = False
    branching: ClassVar[bool] = False


@runtime_checkable
class Container(Protocol):
    """Node that runs a body."""

    start_node_id: str
    isolated: ClassVar[bool]
    """Whether each round has its own variables."""

    def declared(self, node_id: str) -> Mapping[Selector, str]:
        """Return the types of declared variables, by selector."""


@runtime_checkable
class Illustrated(Protocol):
    """Node with an icon in its start event."""

    def icon(self, ports: NodePorts) -> Json | None:
        """See ``NodeStarted.icon``. Must neither block nor raise."""


@runtime_checkable
class Responder(Protocol):
    """Node whose template is streamed as text: ``end`` and ``answer``."""

    def parts(self) -> tuple[str | Selector, ...]:
        """Texts and references, in display order."""


@runtime_checkable
class VariableWriter(Protocol):
    """Node that changes variables of other nodes."""

    def writes(self) -> tuple[Selector, ...]:
        """Variables that it may change."""


def total(usages: Iterable[Usage | None]) -> Usage | None:
    """Return the sum, or ``None`` without any usage."""
    present = [usage for usage in usages if usage is not None]
    if not present:
        return None
    return Usage(
        total_tokens=sum(usage.total_tokens for usage in present),
        prompt_tokens=sum(usage.prompt_tokens for usage in present),
        completion_tokens=sum(usage.completion_tokens for usage in present),
        total_price=_sum(usage.total_price for usage in present),
        currency=next((usage.currency for usage in reversed(present) if usage.currency), ""),
        prompt_price=_sum(usage.prompt_price for usage in present),
        completion_price=_sum(usage.completion_price for usage in present),
        prompt_unit_price=_last(usage.prompt_unit_price for usage in present),
        completion_unit_price=_last(usage.completion_unit_price for usage in present),
        latency=sum(usage.latency for usage in present),
    )


def _sum(prices: Iterable[str]) -> str:
    return f"{sum(map(Decimal, prices), Decimal(0)):f}"


def _last(prices: Iterable[str]) -> str:
    last = "0"
    for price in prices:
        last = price if Decimal(price) else last
    return last


def container_metadata(usage: Usage | None) -> dict[str, Json]:
    """Return the metadata of a container, which includes its usage even if it is zero."""
    return {} if usage is not None else {"total_tokens": 0, "total_price": "0", "currency": "USD"}
