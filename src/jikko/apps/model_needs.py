"""Providers and models that workflows require."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from jikko.apps.plugin_needs import tools_of_agent
from jikko.dsl.repair import model_provider
from jikko.ports.models import ModelPurpose

_SPEECH: Final[Mapping[str, ModelPurpose]] = {"tts": "text_to_speech", "asr": "speech_to_text"}
"""Built-in tools of the provider ``audio``."""


class Need(NamedTuple):
    """A model that a workflow calls."""

    provider: str
    """Its long name."""
    model: str
    node: str
    """Title or id of the node."""


def needs_of(nodes: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Need]:
    """Return the models that nodes and their agents call, in node order. ``nodes``: Id and data of each."""
    found = []
    for node_id, data in nodes:
        title = str(data.get("title") or node_id)
        model = data.get("model")
        if isinstance(model, Mapping) and isinstance(model.get("provider"), str) and model["provider"]:
            found.append(Need(model_provider(model["provider"]), str(model.get("name") or ""), title))
        if data.get("type") == "agent":
            found += [need for _, need in needs_of_agent(title, data)]
        chosen = (speech_model(tool) for _, tool in speech_tools(data))
        found += [Need(*model, title) for model in chosen if model is not None]
    return found


def needs_of_agent(title: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Need]]:
    """Yield the models passed to an agent, each with the name of its parameter."""
    parameters = data.get("agent_parameters")
    for name, parameter in parameters.items() if isinstance(parameters, Mapping) else ():
        value = parameter.get("value") if isinstance(parameter, Mapping) else None
        if isinstance(value, Mapping) and isinstance(value.get("provider"), str) and value["provider"]:
            model = value.get("model")
            if isinstance(model, str) and model:
                yield name, Need(model_provider(value["provider"]), model, title)


def speech_tools(data: Mapping[str, Any]) -> Iterator[tuple[ModelPurpose, Mapping[str, Any]]]:
    """Yield the built-in speech tools of a tool node or agent, each with its purpose."""
    named = [data] if data.get("type") == "tool" else tools_of_agent(data) if data.get("type") == "agent" else ()
    for tool in named:
        kind = tool.get("provider_type") or tool.get("type")
        if kind == "builtin" and "audio" in (tool.get("provider_id"), tool.get("provider_name")):
            purpose = _SPEECH.get(str(tool.get("tool_name")))
            if purpose is not None:
                yield purpose, tool


def speech_model(tool: Mapping[str, Any]) -> tuple[str, str] | None:
    """Parse the setting ``provider#model`` into the provider's long name and the model; ``None`` if it is not set."""
    for key in ("tool_configurations", "settings", "parameters"):
        settings = tool.get(key)
        chosen = settings.get("model") if isinstance(settings, Mapping) else None
        while isinstance(chosen, Mapping):
            chosen = chosen.get("value")
        if isinstance(chosen, str) and chosen:
            provider, _, model = chosen.partition("#")
            return model_provider(provider), model
    return None
