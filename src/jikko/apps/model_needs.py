"""Which providers and models workflows need."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jikko.dsl.repair import model_provider


class Need(NamedTuple):
    """One model that a workflow calls."""

    provider: str
    """The long name."""
    model: str
    node: str
    """Title or id of the node."""


def needs_of(nodes: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Need]:
    """The models that nodes call, in the order of the nodes.

    Args:
        nodes: Id and data of each.
    """
    found = []
    for node_id, data in nodes:
        model = data.get("model")
        if isinstance(model, Mapping) and isinstance(model.get("provider"), str) and model["provider"]:
            title = str(data.get("title") or node_id)
            found.append(Need(model_provider(model["provider"]), str(model.get("name") or ""), title))
    return found
