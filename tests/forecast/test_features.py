"""Forecast of a chat app's features."""

import json
from typing import Any

import pytest

from jikko.apps.versions import check
from jikko.forecast.forecast import forecast
from jikko.forecast.known_installation import Installation
from jikko.nodes.registry import BY_TYPE
from jikko.providers.providers_file import parse_providers
from tests.acceptance.workflows import app, node, start

OPENAI = "providers: {openai: {api_key: k}}"
GUARD = 'providers: {}\nextensions: {g-1: {url: "https://guard.test"}}'


def moderated(kind: str, inputs: bool = True, outputs: bool = True) -> dict[str, Any]:
    config = {
        "api_based_extension_id": "g-1",
        "inputs_config": {"enabled": inputs},
        "outputs_config": {"enabled": outputs},
    }
    return {"sensitive_word_avoidance": {"enabled": True, "type": kind, "config": config}}


def found(features: dict[str, Any], providers: str = "providers: {}", **more: Any) -> list[tuple[str, str]]:
    file = app("Chat", [start(), node("r", "answer", answer="x")], "start>r", mode="advanced-chat", features=features)
    here = Installation(providers=parse_providers(providers, {}), **more)
    checked = check(file.encode(), source="chat.yml", node_classes=BY_TYPE)
    return [(one.severity, one.where) for one in forecast(checked, here).findings]


WHERE = "workflow.features.sensitive_word_avoidance"


@pytest.mark.parametrize(
    ("features", "providers", "expected"),
    [
        (moderated("keywords"), "providers: {}", []),
        (moderated("api"), "providers: {}", [("will_fail", WHERE)]),
        (moderated("api", inputs=False), "providers: {}", [("warning", WHERE)]),
        (moderated("api", inputs=False, outputs=False), "providers: {}", []),
        (moderated("api"), GUARD, []),
        (moderated("api"), GUARD.replace("g-1", '"*"'), []),
        (moderated("openai_moderation"), OPENAI, []),
        (moderated("openai_moderation"), "providers: {}", [("will_fail", WHERE)]),
        (moderated("openai_moderation", inputs=False), "providers: {}", [("warning", WHERE)]),
        (moderated("by_hand"), OPENAI, [("will_fail", WHERE)]),
    ],
)
def test_moderation_that_nobody_can_do_is_told(
    features: dict[str, Any], providers: str, expected: list[tuple[str, str]]
) -> None:
    assert found(features, providers) == expected


def test_suggestions_by_a_named_model_need_no_default_one() -> None:
    assert found({"suggested_questions_after_answer": {"enabled": True, "model": {"provider": "p", "name": "m"}}}) == []


@pytest.mark.parametrize("name", ["suggested_questions_after_answer", "speech_to_text", "text_to_speech"])
def test_a_feature_without_its_model_is_warned_of(name: str) -> None:
    on = {name: {"enabled": True}}

    assert found(on) == [("warning", f"workflow.features.{name}")]
    assert found(on, OPENAI) == found(on, fake_models=True) == found({name: {"enabled": False}}) == []


@pytest.mark.parametrize(("providers", "told"), [(GUARD, False), ("providers: {}", True)])
def test_external_data_that_nobody_can_be_asked_for_is_told(providers: str, told: bool) -> None:
    tool = {"variable": "weather", "type": "api", "enabled": True, "config": {"api_based_extension_id": "g-1"}}
    config = {"model": {"provider": "openai", "name": "m", "mode": "chat"}, "external_data_tools": [tool]}
    file = json.dumps({"app": {"name": "Sky", "mode": "chat"}, "model_config": config})
    checked = check(file.encode(), source="sky.yml", node_classes=BY_TYPE)

    here = Installation(providers=parse_providers(providers, {}), fake_models=True)
    found = [(one.severity, one.where) for one in forecast(checked, here).findings]

    assert found == ([("will_fail", "model_config.external_data_tools")] if told else [])
