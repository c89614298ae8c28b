"""Why a model that a workflow needs cannot be called here, as far as is known before a run."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from jikko.apps.model_needs import Need
from jikko.providers.config import Providers

_LIBRARIES: Final = {
    "anthropic": "anthropic",
    "bedrock": "anthropic",
    "vertex": "anthropic",
    "llama_cpp": "xllamacpp",
    "wordllama": "wordllama",
}
"""What the extras ``anthropic``, ``local`` and ``wordllama`` install, by the type of the provider."""


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
            f"add under 'providers:' in {file}: {providers.line_to_add(need.provider).strip()}",
        )
    if config.unset:
        names = " and ".join(config.unset)
        what = f"the entry {config.id!r} of {providers.source} needs the environment variable {names}, which is not set"
        return Objection(what, "set it where Jikko is started")
    file = str(config.options.get("path", "")) if config.type == "llama_cpp" else ""
    if file and not Path(file).is_file():
        return Objection(f"there is no model file {file}", f"correct 'path' of {config.id!r} in {providers.source}")
    package = missing(config.type)
    if package is not None:
        return Objection(f"the provider type {config.type!r} needs another library", f"pip install {package}")
    return None


def missing_library(provider_type: str) -> str | None:
    """The package that providers of a type need and that is not installed; nothing is imported."""
    package = _LIBRARIES.get(provider_type)
    return package if package is not None and find_spec(package) is None else None
