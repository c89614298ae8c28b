"""The contract of nodes: class, results, usage added up. That of the engine: ``node_context.py``."""

from collections.abc import Coroutine, Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec

from jikko.events import Update, Usage
from jikko.ports.node_ports import NodePorts
from jikko.values import Json, Selector, Unset


class Result(msgspec.Struct, frozen=True, gc=False):
    """What a node hands back when it succeeds."""

    outputs: Mapping[str, Json] = {}
    """The variables it writes; also what is recorded."""
    inputs: Mapping[str, Json] = {}
    """Recorded only."""
    process_data: Mapping[str, Json] = {}
    """Recorded only."""
    handle: str = "source"
    """The outgoing edges to take; only looked at for branch nodes."""
    updates: tuple[Update, ...] = ()
    """Changes to variables of other nodes."""
    usage: Usage | None = None
    metadata: Mapping[str, Json] = {}
    """Entries of ``execution_metadata``."""
    steps: int = 0
    """Containers only: the ``steps`` of the completed event."""
    resources: tuple[dict[str, Json], ...] = ()
    """Passages of knowledge that the node's work is based on, in Dify's form: see ``NodeFinished.resources``."""


class NodeFailure(Exception):
    """A node failed: retried, handled by a strategy, or the run fails. The message is shown to the user."""

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
        """The ``error_type``: a class-like name, as in docs/dify-behaviour.md, “Node types”, or ``""``."""
        self.inputs = inputs or {}
        self.process_data = process_data or {}
        self.outputs = outputs or {}
        """What is recorded of a failure that no strategy handles."""
        self.usage = usage
        self.metadata = metadata or {}
        self.steps = steps


class NodePaused(Exception):
    """A node waits for a human, and runs again once its form is closed. In a container it fails: only runs can wait."""

    def __init__(self, form: Mapping[str, Json], *, source: str, expires_at: float) -> None:
        """``form``: For clients, without ``form_id``, ``node_id`` and ``node_title``. ``source``: Its text in the file.
        ``expires_at``: When it runs out of time, in seconds since the Unix epoch.
        """
        super().__init__("waits for a human")
        self.form = dict(form)
        self.source = source
        self.expires_at = expires_at


class Values(Protocol):
    """Variables that can be looked up."""

    def get(self, selector: Selector) -> Json | Unset:
        """The value a selector points at, or ``UNSET`` if there is none. Never to be changed in place."""

    def declared_type(self, selector: Selector) -> str | None:
        """The type that the variable was declared with (loop and conversation variables), if it was."""


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
    """What ``collect`` found."""
    error: str | None
    """The error of the node that failed the round, if one did."""
    ended: bool
    """Whether a ``loop-end`` node ran."""
    last: bool
    """What ``is_last`` decided."""
    usage: Usage | None
    elapsed: float


class Node(Protocol):
    """A node of a compiled graph: configured, immutable, shared by all runs.

    Classes also have ``from_dsl(cls, data: Fields) -> Self``, which notes problems in ``data`` instead of raising.
    """

    type: ClassVar[str]
    immediate: ClassVar[bool]
    """Whether ``run`` hardly ever suspends; the engine then runs it in place, without a task. Should it suspend, it is
    dropped there and run from its beginning in a task: so it must not have done anything before."""
    branching: ClassVar[bool]
    """Whether only the edges with the result's handle are taken."""

    # Classes that act on the world outside (an HTTP request, a model that costs money) also have
    # ``has_effects: ClassVar[bool] = True``.

    def run(self, ctx: Any) -> Coroutine[Any, Any, Result]:
        """Do the work, with a ``ContainerContext`` for containers. Raises ``NodeFailure`` if the node failed."""


class NodeConfig(msgspec.Struct, frozen=True):
    """The base of nodes that are structs: neither ``immediate`` nor ``branching`` unless they say so."""

    immediate: ClassVar[bool] = False
    branching: ClassVar[bool] = False


@runtime_checkable
class Container(Protocol):
    """A node that runs a body."""

    start_node_id: str
    isolated: ClassVar[bool]
    """Whether each round has variables of its own."""

    def declared(self, node_id: str) -> Mapping[Selector, str]:
        """Types of the variables that it declares, by selector."""


@runtime_checkable
class Illustrated(Protocol):
    """A node whose start tells clients an icon."""

    def icon(self, ports: NodePorts) -> Json | None:
        """See ``NodeStarted.icon``. Must not wait, nor raise."""


@runtime_checkable
class Responder(Protocol):
    """A node whose template is shown as text while the run goes on: ``end`` and ``answer``."""

    def parts(self) -> tuple[str | Selector, ...]:
        """Texts and references, in the order in which they are shown."""


@runtime_checkable
class VariableWriter(Protocol):
    """A node that changes variables of other nodes."""

    def writes(self) -> tuple[Selector, ...]:
        """The variables that it may change."""


def total(usages: Iterable[Usage | None]) -> Usage | None:
    """The sum, or ``None`` if nothing was used."""
    present = [usage for usage in usages if usage is not None]
    if not present:
        return None
    return Usage(
        total_tokens=sum(usage.total_tokens for usage in present),
        prompt_tokens=sum(usage.prompt_tokens for usage in present),
        completion_tokens=sum(usage.completion_tokens for usage in present),
        total_price=_sum(usage.total_price for usage in present),
        currency=present[-1].currency,
        prompt_price=_sum(usage.prompt_price for usage in present),
        completion_price=_sum(usage.completion_price for usage in present),
        prompt_unit_price=_last(usage.prompt_unit_price for usage in present),
        completion_unit_price=_last(usage.completion_unit_price for usage in present),
        latency=sum(usage.latency for usage in present),
    )


def _sum(prices: Iterable[str]) -> str:
    return str(sum(map(Decimal, prices), Decimal(0)))


def _last(prices: Iterable[str]) -> str:
    last = "0"
    for price in prices:
        last = price if Decimal(price) else last
    return last


def container_metadata(usage: Usage | None) -> dict[str, Json]:
    """What goes into the metadata of a container: it tells its usage also when that is nothing."""
    return {} if usage is not None else {"total_tokens": 0, "total_price": "0", "currency": "USD"}
