"""Checks of required models: why one cannot be called here, as far as known before a run."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jikko.apps.model_needs import Need, speech_model, speech_tools
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.ports.models import ModelPurpose
from jikko.ports.tools import ToolNotFound

if TYPE_CHECKING:
    from jikko.forecast.known_installation import Installation

_LIBRARIES: Final = {
    "anthropic": "anthropic",
    "bedrock": "anthropic",
    "vertex": "anthropic",
    "llama_cpp": "xllamacpp",
    "wordllama": "wordllama",
}
"""Packages installed by the extras ``anthropic``, ``local`` and ``wordllama``, by provider type."""


def diagnose_model(need: Need, installation: "Installation", where: str) -> Diagnostic | None:
    """Return why a model call would fail before anything is sent; ``None`` if it would not."""
    providers = installation.providers
    config = providers.find(need.provider)
    if config is None:
        place = providers.source or Phrase("part.providers_file")
        line = providers.line_to_add(need.provider).strip()
        params = {"provider": repr(need.provider), "model": repr(need.model)}
        return _fails("model.provider", params, where, Phrase("remedy.add_provider", {"file": place, "line": line}))
    if config.unset:
        params = {"entry": repr(config.id), "file": providers.source, "names": " and ".join(config.unset)}
        return _fails("model.unset", params, where, Phrase("remedy.set_before_start"))
    file = str(config.options.get("path", "")) if config.type == "llama_cpp" else ""
    if file and not Path(file).is_file():
        remedy = Phrase("remedy.model_path", {"entry": repr(config.id), "file": providers.source})
        return _fails("model.no_file", {"file": file}, where, remedy)
    if config.type == "plugin":
        try:
            installation.require_plugin(config)
        except ToolNotFound as failure:
            return _fails(failure.what.code, failure.what.params, where, failure.remedy)
    package = installation.missing_library(config.type)
    if package is not None:
        remedy = Phrase("remedy.install", {"package": package})
        return _fails("model.library", {"type": repr(config.type)}, where, remedy)
    return None


def diagnose_speech(data: Mapping[str, Any], installation: "Installation", where: str) -> Iterator[Diagnostic]:
    """Yield why a node's built-in speech tools cannot work. ``data``: Of a tool node or an agent."""
    for purpose, tool in () if installation.fake_models else speech_tools(data):
        model = speech_model(tool)
        if model is None:
            if purpose not in installation.providers.defaults:
                params = {"so": Phrase("so.no_speech" if purpose == "text_to_speech" else "so.no_recordings")}
                yield _fails("model.default", params, where, default_model(purpose))
            continue
        found = diagnose_model(Need(*model, ""), installation, where)
        if found is not None:
            yield found


def default_model(purpose: ModelPurpose) -> Phrase:
    """Return the remedy for a missing default model."""
    return Phrase("remedy.default_model", {"line": f"defaults: {{{purpose}: {{provider: …, model: …}}}}"})


def _fails(code: str, params: Mapping[str, object], where: str, remedy: Phrase | None) -> Diagnostic:
    return Diagnostic(code, params, where=where, severity="will_fail", remedy=remedy)


def missing_library(provider_type: str) -> str | None:
    """Return the package that a provider type needs and that is not installed; imports nothing."""
    package = _LIBRARIES.get(provider_type)
    return package if package is not None and find_spec(package) is None else None
