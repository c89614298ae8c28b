"""Which providers and models workflows need."""

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from jikko.dsl.repair import model_provider
from jikko.providers.config import Providers, line_to_add

_LIBRARIES: Final = {
    "anthropic": "anthropic",
    "bedrock": "anthropic",
    "vertex": "anthropic",
    "llama_cpp": "xllamacpp",
}
"""What the extras ``anthropic`` and ``local`` install, by the type of the provider."""


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


class Objection(NamedTuple):
    """Why a model cannot be called, and what to do."""

    what: str
    hint: str


def objection(need: Need, providers: Providers, missing: Callable[[str], str | None]) -> Objection | None:
    """Why a call of a model would fail before anything is sent; ``None`` if it would not.

    Args:
        missing: As ``missing_library``.
    """
    config = providers.find(need.provider)
    if config is None:
        file = providers.source or "a file that JIKKO_PROVIDERS names"
        return Objection(
            f"nothing says how to reach the provider {need.provider!r} of the model {need.model!r}",
            f"add under 'providers:' in {file}: {line_to_add(need.provider).strip()}",
        )
    if config.unset:
        names = " and ".join(config.unset)
        what = f"the entry {config.id!r} of {providers.source} needs the environment variable {names}, which is not set"
        return Objection(what, "set it where Jikko is started")
    package = missing(config.type)
    if package is not None:
        return Objection(f"the provider type {config.type!r} needs another library", f"pip install {package}")
    return None


def missing_library(provider_type: str) -> str | None:
    """The package that providers of a type need and that is not installed; nothing is imported."""
    package = _LIBRARIES.get(provider_type)
    return package if package is not None and find_spec(package) is None else None
