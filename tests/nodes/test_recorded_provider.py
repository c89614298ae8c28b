"""Nodes that call a model record its provider as their file names it; it is found by any of its names."""

from typing import Any

import pytest

from jikko.dsl.repair import repair_node
from jikko.nodes.model.llm import Llm
from jikko.nodes.model.parameter_extractor import ParameterExtractor
from jikko.nodes.model.question_classifier import QuestionClassifier
from jikko.providers.config import ProviderConfig, Providers
from tests.nodes.context import fields
from tests.nodes.models import ModelContext, ScriptedModels

pytestmark = pytest.mark.anyio

VALUES: dict[str, dict[str, Any]] = {"start": {"s": "Ada"}, "sys": {"query": "q", "files": []}}
NAMES = ["openai", "google", "langgenius/openai/openai", "langgenius/gemini/google", "acme/models/our-own"]
FULL = {"openai": "langgenius/openai/openai", "google": "langgenius/gemini/google"}

NODES: dict[str, tuple[type[Any], dict[str, Any], str]] = {
    "llm": (Llm, {"prompt_template": [{"role": "user", "text": "Hi {{#start.s#}}"}]}, "Hello"),
    "question-classifier": (
        QuestionClassifier,
        {"query_variable_selector": ["start", "s"], "classes": [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]},
        '{"category_id": "1", "category_name": "a", "keywords": []}',
    ),
    "parameter-extractor": (
        ParameterExtractor,
        {
            "query": ["start", "s"],
            "parameters": [{"name": "n", "type": "string", "description": "", "required": True}],
            "reasoning_mode": "prompt",
        },
        '{"n": "x"}',
    ),
}


@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize("name", NAMES)
async def test_the_provider_is_recorded_as_the_file_names_it(kind: str, name: str) -> None:
    made, data, answer = NODES[kind]
    raw = repair_node({"type": kind, "title": "t", "model": {"provider": name, "name": "m", "mode": "chat"}, **data})

    result = await made.from_dsl(fields(raw)).run(ModelContext(ScriptedModels([[answer]]), VALUES))

    assert (result.inputs["model_provider"], result.inputs["model_name"]) == (name, "m")
    assert result.process_data["model_provider"] == name


@pytest.mark.parametrize("name", NAMES)
def test_the_provider_is_found_by_that_name(name: str) -> None:
    full = FULL.get(name, name)
    entry = ProviderConfig(id=full, type="openai")

    assert Providers(entries={full: entry}).find(name) is entry
