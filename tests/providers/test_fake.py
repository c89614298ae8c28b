"""Models that answer without a provider."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from jikko.nodes.model.parameter_extractor import extractor_messages, extractor_tool
from jikko.nodes.model.question_classifier import classifier_messages, classifier_schema
from jikko.ports.models import Chunk, ModelRequest, PromptMessage
from jikko.providers.fake import FakeModels, sample_of

pytestmark = pytest.mark.anyio

CLASSES = [("a1", "Billing"), ("a2", "技術")]


def request(*messages: PromptMessage, **more: Any) -> ModelRequest:
    asked = messages or (PromptMessage("user", ("How are you? 🚀",)),)
    return ModelRequest(provider="langgenius/openai/openai", model="gpt-4o", messages=asked, **more)


async def test_a_text_says_that_it_is_no_models_and_is_the_same_each_time() -> None:
    first = await FakeModels().complete(request())
    second = await FakeModels().complete(request())

    assert first.text == second.text == "[fake answer of openai/gpt-4o] How are you? 🚀"
    assert first.is_fake


async def test_a_text_is_streamed_in_pieces_and_counted() -> None:
    pieces: list[Chunk] = []

    answer = await FakeModels().complete(request(), pieces.append)

    assert "".join(piece.text for piece in pieces) == answer.text
    assert len(pieces) > 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer.usage.time_to_first_token is not None
    assert answer.usage.total_price == 0


async def test_a_prompt_of_a_megabyte_is_not_repeated_whole() -> None:
    answer = await FakeModels().complete(request(PromptMessage("user", ("x" * 1_000_000,))))

    assert len(answer.text) < 500


async def test_a_prompt_that_asks_for_json_is_answered_with_its_example() -> None:
    prompt = PromptMessage("system", ('Answer in JSON:\n{"返事": "はい", "n": <number>}\n',))

    answer = await FakeModels().complete(request(prompt, PromptMessage("user", ("いつ?",))))

    assert json.loads(answer.text)["返事"] == "はい"
    assert answer.is_fake


async def test_a_classifier_gets_the_class_whose_name_stands_in_the_text_or_the_first_one() -> None:
    for text, chosen in (("mein 技術 problem", "a2"), ("hello", "a1")):
        messages = classifier_messages(text, CLASSES, "", ())
        schema = classifier_schema([id_ for id_, _ in CLASSES], [name for _, name in CLASSES])
        by_words = json.loads((await FakeModels().complete(request(*messages))).text)
        assert by_words["category_id"] == chosen
        by_schema = json.loads((await FakeModels().complete(request(*messages, schema=schema))).text)
        assert Draft202012Validator(schema).is_valid(by_schema)


async def test_an_extractor_gets_values_that_fit_by_a_tool_and_by_words() -> None:
    schema = {
        "type": "object",
        "properties": {"place": {"type": "string"}, "people": {"type": "number"}},
        "required": ["place", "people"],
    }

    [call] = (await FakeModels().complete(request(tools=(extractor_tool(schema),)))).tool_calls
    messages = extractor_messages("a table", "", (), schema, by_tool=False)
    by_words = (await FakeModels().complete(request(*messages))).text

    assert json.loads(call.arguments) == json.loads(by_words) == {"place": "fake place", "people": 1}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 5},
        {"type": "number", "maximum": -1},
        {"type": "string", "minLength": 30},
        {"type": "string", "maxLength": 2},
        {"enum": [3, "b"]},
        {"const": None},
        {"type": ["null", "boolean"]},
        {"type": "array", "items": {"type": "string"}, "minItems": 2},
        {"items": {"type": "integer"}, "contains": {"type": "integer"}},
        {"minLength": 3, "not": {"type": ["array", "object"]}},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "integer"}}}]},
        {"$defs": {"d": {"type": "boolean"}}, "properties": {"a": {"$ref": "#/$defs/d"}}, "required": ["a"]},
    ],
)
def test_a_sample_fits_its_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator(schema).validate(sample_of(schema))


def test_a_schema_that_holds_itself_has_a_sample_that_ends() -> None:
    schema = {"properties": {"child": {"$ref": "#"}}, "type": "object"}

    assert "child" in str(sample_of(schema))
