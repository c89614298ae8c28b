"""A DSL file, read and repaired: what ``graph`` compiles. Values that nodes understand are left to them."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct, field

from jikko.values import Json

AppMode: TypeAlias = Literal["workflow", "advanced-chat", "completion", "chat", "agent-chat"]
BASIC_MODES: Final = frozenset(("completion", "chat", "agent-chat"))
"""Apps without a workflow: their graph is made of their ``model_config`` (``dsl.app_config``)."""
CHAT_MODES: Final = frozenset(("advanced-chat", "chat", "agent-chat"))
"""Apps that hold conversations."""


class NodeEntry(Struct, frozen=True):
    """One node of the file. Notes are gone."""

    id: str
    type: str
    """``data.type``; old names are replaced."""
    data: Mapping[str, Any]
    """The configuration, repaired, every unknown key kept."""
    where: str
    """Path of ``data`` in the file: ``workflow.graph.nodes[3].data``."""
    container: str | None = None
    """The iteration or loop whose body it belongs to (also for its start pseudo-node)."""


class EdgeEntry(Struct, frozen=True):
    """One edge of the file."""

    source: str
    target: str
    handle: str
    """``sourceHandle``; ``source`` by default."""
    where: str


class Variable(Struct, frozen=True):
    """An environment or conversation variable."""

    name: str
    value_type: str
    value: Json
    id: str = ""
    description: str = ""


class DslDocument(Struct, frozen=True):
    """A DSL file. Source: docs/dify-behaviour.md, “File format and import”."""

    version: str
    mode: AppMode
    name: str
    description: str
    icon_type: str
    icon: str
    icon_background: str
    use_icon_as_answer_icon: bool
    nodes: tuple[NodeEntry, ...]
    """In the order of the file; pseudo-nodes of containers included."""
    edges: tuple[EdgeEntry, ...]
    root: str
    """The entry node: the first start or trigger node."""
    features: Mapping[str, Any] = field(default_factory=dict)
    environment: tuple[Variable, ...] = ()
    conversation: tuple[Variable, ...] = ()

    def feature(self, name: str) -> Mapping[str, Any]:
        """The settings of a feature; empty if it is off."""
        settings = self.features.get(name)
        return settings if settings and isinstance(settings, dict) and settings.get("enabled") is True else {}
