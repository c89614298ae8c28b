"""What becomes of the features of a chat app here: of those that need a model or a server beside the workflow."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jikko.dsl.document import Document
from jikko.forecast.finding import Finding, Level
from jikko.forecast.installation import Installation
from jikko.ports.default_models import ModelPurpose

_WHERE: Final = "workflow.features"
_MODERATION: Final = "sensitive_word_avoidance"
_NEEDS: Final[dict[str, tuple[ModelPurpose, str]]] = {
    "suggested_questions_after_answer": ("llm", "no questions are suggested"),
    "speech_to_text": ("speech_to_text", "recordings are refused"),
    "text_to_speech": ("text_to_speech", "nothing is spoken"),
}
"""Features that call a default model: of what kind, and what is so without one."""


def of_features(document: Document, installation: Installation) -> Iterator[Finding]:
    """Features that an app has and this installation cannot serve as they are meant."""
    features = document.features
    if document.mode == "advanced-chat" and (moderation := _on(features, _MODERATION)):
        yield from _of_moderation(moderation, installation)
    if installation.fake_models:
        return
    for name, (purpose, so) in _NEEDS.items():
        if _on(features, name) and purpose not in installation.providers.defaults:
            hint = f"name one in the providers file: defaults: {{{purpose}: {{provider: …, model: …}}}}"
            yield Finding("warning", "model", f"{_WHERE}.{name}", f"no default model is set up for it, so {so}", hint)


def _of_moderation(feature: Mapping[str, Any], installation: Installation) -> Iterator[Finding]:
    where = f"{_WHERE}.{_MODERATION}"
    config = feature.get("config")
    config = config if isinstance(config, Mapping) else {}
    looks = [name for name in ("inputs_config", "outputs_config") if _on(config, name)]
    kind = feature.get("type") or "keywords"
    if not looks or kind == "keywords":
        return
    refused = "inputs_config" in looks
    so = ", so that every question is refused" if refused else ", so that answers are not moderated"
    level: Level = "will_fail" if refused else "warning"
    if kind == "openai_moderation":
        if not installation.fake_models and "moderation" not in installation.providers.defaults:
            what = f"no model is set up that moderates the app{so}"
            hint = "name one in the providers file: defaults: {moderation: {provider: …, model: …}}"
            yield Finding(level, "model", where, what, hint)
        return
    if kind != "api":
        what = f"questions are refused, as they cannot be moderated by {kind!r}"
        yield Finding("will_fail", "model", where, what, "choose 'keywords', 'api' or 'openai_moderation'")
        return
    id_ = str(config.get("api_based_extension_id") or "")
    extensions = installation.providers.extensions
    if id_ not in extensions and "*" not in extensions:
        what = f"nothing says how to reach the extension {id_!r} that moderates the app{so}"
        hint = f'add it under \'extensions:\' in the providers file: "{id_}": {{url: "https://…", api_key: "…"}}'
        yield Finding(level, "address", where, what, hint)


def _on(features: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    feature = features.get(name)
    return feature if isinstance(feature, Mapping) and feature.get("enabled") is True else {}
