"""What becomes of the features of a chat app here: of those that need a model or a server beside the workflow."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.dsl.document import BASIC_MODES, DslDocument
from jikko.forecast.installation import Installation
from jikko.forecast.model_checks import default_model
from jikko.ports.default_models import ModelPurpose

_MODERATION: Final = "sensitive_word_avoidance"
_NEEDS: Final[dict[str, tuple[ModelPurpose, str]]] = {
    "suggested_questions_after_answer": ("llm", "so.no_questions"),
    "speech_to_text": ("speech_to_text", "so.no_recordings"),
    "text_to_speech": ("text_to_speech", "so.no_speech"),
}
"""Features that call a default model: of what kind, and the code of what is so without one."""


def of_features(document: DslDocument, installation: Installation) -> Iterator[Diagnostic]:
    """Features that an app has and this installation cannot serve as they are meant."""
    features = document.features
    at = "model_config" if document.mode in BASIC_MODES else "workflow.features"
    if document.mode != "workflow" and (moderation := _on(features, _MODERATION)):
        yield from _of_moderation(moderation, installation, f"{at}.{_MODERATION}")
    if document.mode in BASIC_MODES:
        yield from _of_external_data(features, installation)
    if installation.fake_models:
        return
    for name, (purpose, so) in _NEEDS.items():
        if _on(features, name) and purpose not in installation.providers.defaults:
            where, remedy = f"{at}.{name}", default_model(purpose)
            yield Diagnostic("model.default", {"so": Phrase(so)}, where=where, severity="warning", remedy=remedy)


def _of_external_data(features: Mapping[str, Any], installation: Installation) -> Iterator[Diagnostic]:
    extensions = installation.providers.extensions
    for tool in features.get("external_data_tools") or ():
        config = tool.get("config")
        id_ = str(config.get("api_based_extension_id") or "") if isinstance(config, Mapping) else ""
        if id_ not in extensions and "*" not in extensions:
            remedy = Phrase("remedy.add_extension", {"extension": id_})
            needed = {"extension": repr(id_), "variable": repr(str(tool.get("variable")))}
            where = "model_config.external_data_tools"
            yield Diagnostic("address.external_data", needed, where=where, severity="will_fail", remedy=remedy)


def _of_moderation(feature: Mapping[str, Any], installation: Installation, where: str) -> Iterator[Diagnostic]:
    config = feature.get("config")
    config = config if isinstance(config, Mapping) else {}
    looks = [name for name in ("inputs_config", "outputs_config") if _on(config, name)]
    kind = feature.get("type") or "keywords"
    if not looks or kind == "keywords":
        return
    refused = "inputs_config" in looks
    so = Phrase("so.refused" if refused else "so.not_moderated")
    severity: Severity = "will_fail" if refused else "warning"
    if kind == "openai_moderation":
        if not installation.fake_models and "moderation" not in installation.providers.defaults:
            remedy = default_model("moderation")
            yield Diagnostic("model.moderation", {"so": so}, where=where, severity=severity, remedy=remedy)
        return
    if kind != "api":
        params, remedy = {"kind": repr(kind)}, Phrase("remedy.moderation_kind")
        yield Diagnostic("model.moderation_kind", params, where=where, severity="will_fail", remedy=remedy)
        return
    id_ = str(config.get("api_based_extension_id") or "")
    extensions = installation.providers.extensions
    if id_ not in extensions and "*" not in extensions:
        remedy = Phrase("remedy.add_extension", {"extension": id_})
        needed = {"extension": repr(id_), "so": so}
        yield Diagnostic("address.extension", needed, where=where, severity=severity, remedy=remedy)


def _on(features: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    feature = features.get(name)
    return feature if isinstance(feature, Mapping) and feature.get("enabled") is True else {}
