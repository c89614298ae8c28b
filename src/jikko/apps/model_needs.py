"""Which providers and models workflows need."""

from collections.abc import Iterable, Iterator, Mapping
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
    """The models that nodes call, in the order of the nodes; those that an agent is given among them.

    Args:
        nodes: Id and data of each.
    """
    found = []
    for node_id, data in nodes:
        title = str(data.get("title") or node_id)
        model = data.get("model")
        if isinstance(model, Mapping) and isinstance(model.get("provider"), str) and model["provider"]:
            found.append(Need(model_provider(model["provider"]), str(model.get("name") or ""), title))
        if data.get("type") == "agent":
            found += [need for _, need in needs_of_agent(title, data)]
    return found


def needs_of_agent(title: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Need]]:
    """The models that an agent is given, each with the name of the parameter that has it."""
    parameters = data.get("agent_parameters")
    for name, parameter in parameters.items() if isinstance(parameters, Mapping) else ():
        value = parameter.get("value") if isinstance(parameter, Mapping) else None
        if isinstance(value, Mapping) and isinstance(value.get("provider"), str) and value["provider"]:
            model = value.get("model")
            if isinstance(model, str) and model:
                yield name, Need(model_provider(value["provider"]), model, title)
