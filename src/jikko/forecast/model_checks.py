"""Checks of required models and datasets: why a call or a search would fail here, as far as known before a run."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jikko.apps.model_needs import Need, speech_model, speech_tools
from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.dsl.document import NodeEntry
from jikko.forecast.known_variables import KnownVariables
from jikko.forecast.outcome import will_fail
from jikko.ids import is_uuid
from jikko.ports.models import ModelPurpose
from jikko.ports.tools import ToolNotFound

if TYPE_CHECKING:
    from jikko.forecast.known_installation import Installation
    from jikko.nodes.knowledge.knowledge_retrieval import KnowledgeRetrieval

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
        remedy = Phrase("remedy.add_provider", {"file": place, "line": line})
        return will_fail("model.provider", where, remedy, provider=repr(need.provider), model=repr(need.model))
    if config.unset:
        params = {"entry": repr(config.id), "file": providers.source, "names": " and ".join(config.unset)}
        return will_fail("model.unset", where, "remedy.set_before_start", **params)
    file = str(config.options.get("path", "")) if config.type == "llama_cpp" else ""
    if file and not Path(file).is_file():
        remedy = Phrase("remedy.model_path", {"entry": repr(config.id), "file": providers.source})
        return will_fail("model.no_file", where, remedy, file=file)
    if config.type == "plugin":
        try:
            installation.require_plugin(config)
        except ToolNotFound as failure:
            return will_fail(failure.what.code, where, failure.remedy, **failure.what.params)
    package = installation.missing_library(config.type)
    if package is not None:
        return will_fail("model.library", where, Phrase("remedy.install", {"package": package}), type=repr(config.type))
    return None


def diagnose_speech(data: Mapping[str, Any], installation: "Installation", where: str) -> Iterator[Diagnostic]:
    """Yield why a node's built-in speech tools cannot work. ``data``: Of a tool node or an agent."""
    for purpose, tool in () if installation.fake_models else speech_tools(data):
        model = speech_model(tool)
        if model is None:
            if purpose not in installation.providers.defaults:
                so = Phrase("so.no_speech" if purpose == "text_to_speech" else "so.no_recordings")
                yield will_fail("model.default", where, default_model(purpose), so=so)
            continue
        found = diagnose_model(Need(*model, ""), installation, where)
        if found is not None:
            yield found


def default_model(purpose: ModelPurpose) -> Phrase:
    """Return the remedy for a missing default model."""
    return Phrase("remedy.default_model", {"line": f"defaults: {{{purpose}: {{provider: …, model: …}}}}"})


def missing_library(provider_type: str) -> str | None:
    """Return the package that a provider type needs and that is not installed; imports nothing."""
    package = _LIBRARIES.get(provider_type)
    return package if package is not None and find_spec(package) is None else None


_TEXTS = ("string", "secret")
"""Types of string variables."""
_SHOWN = 60
"""Characters of an id shown in messages."""


def diagnose_retrieval(
    node: "KnowledgeRetrieval", entry: NodeEntry, known: KnownVariables, installation: "Installation"
) -> Iterator[Diagnostic]:
    """Yield invalid queries, missing datasets, unavailable models and missing settings."""
    yield from _of_variables(node, entry, known)
    if not node.query:
        return
    if missing := node.missing_setting:
        yield will_fail("knowledge.no_setting", entry.where, "remedy.save_settings", name=missing)
        return
    for place, dataset_id in enumerate(node.dataset_ids):
        if dataset_id.lower() in installation.datasets or dataset_id in installation.datasets:
            continue
        code = "remedy.map_dataset" if is_uuid(dataset_id) else "remedy.map_workspace"
        short = dataset_id if len(dataset_id) <= _SHOWN else f"{dataset_id[:_SHOWN]}…"
        yield Diagnostic(
            "knowledge.no_dataset",
            {"dataset": short},
            where=f"{entry.where}.dataset_ids[{place}]",
            severity="warning",
            remedy=Phrase(code, {"dataset": dataset_id}),
        )
    yield from _of_models(node, entry, installation)


def _of_variables(node: "KnowledgeRetrieval", entry: NodeEntry, known: KnownVariables) -> Iterator[Diagnostic]:
    kind = known.kind(node.query)
    if node.query and (known.is_missing(node.query) or (kind is not None and kind.type not in _TEXTS)):
        where = f"{entry.where}.query_variable_selector"
        severity: Severity = "will_fail" if kind is None or kind.is_given else "may_fail"
        yield Diagnostic("variable.query", where=where, severity=severity, remedy=Phrase("remedy.choose_text"))
    if node.attachments and known.is_missing(node.attachments):
        where = f"{entry.where}.query_attachment_selector"
        yield will_fail("variable.attachments", where, name=".".join(node.attachments))


def _of_models(node: "KnowledgeRetrieval", entry: NodeEntry, installation: "Installation") -> Iterator[Diagnostic]:
    if installation.fake_models:
        return
    needed: list[tuple[str, str]] = []
    ranking = node.ranking
    if ranking is not None and not node.single and ranking.enabled and ranking.mode == "reranking_model":
        needed.append(("multiple_retrieval_config.reranking_model", ranking.provider))
    if node.single and node.chooser is not None and len(node.dataset_ids) > 1:
        needed.append(("single_retrieval_config.model", node.chooser.provider))
    for where, provider in needed:
        if provider and installation.providers.find(provider) is None:
            line = installation.providers.line_to_add(provider).strip()
            yield Diagnostic(
                "model.ranking",
                {"provider": provider},
                where=f"{entry.where}.{where}",
                severity="may_fail",
                remedy=Phrase("remedy.add_to_providers", {"line": line}),
            )
