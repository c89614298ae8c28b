"""The question classifier: which class an answer means."""

from typing import Any

import pytest

from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.model.question_classifier import QuestionClassifier
from jikko.ports.models import Abilities, ModelFailure
from jikko.values import Json
from tests.nodes.context import fields
from tests.nodes.models import MODEL, ModelContext, ScriptedModels

pytestmark = pytest.mark.anyio

VALUES: dict[str, dict[str, Json]] = {"start": {"s": "My bill is wrong", "kind": "bills"}}
CLASSES = [
    {"id": "1", "name": "about {{#start.kind#}}"},
    {"id": "2", "name": "other", "label": "Rest"},
    {"id": "uuid-3", "name": "third"},
]


def classifier(**data: Any) -> QuestionClassifier:
    given = {"model": MODEL, "classes": CLASSES, "query_variable_selector": ["start", "s"], **data}
    return QuestionClassifier.from_dsl(fields(given))


async def classified(answer: str, **data: Any) -> Result:
    return await classifier(**data).run(ModelContext(ScriptedModels([[answer]]), VALUES))


@pytest.mark.parametrize(
    ("answer", "handle"),
    [
        ('{"category_id": "2", "category_name": "other"}', "2"),
        ('Sure:\n```json\n{"category_id": "2", "category_name": "x"}\n```\nDone.', "2"),
        ('<think>{"category_id": "1"}</think>{"category_id": "2", "category_name": "x"}', "2"),
        ('{"category_id": 2, "category_name": "other"}', "2"),
        ('{"keywords": [], "category_id": "uuid-3", "category_name": "third"}', "uuid-3"),
        ('[{"category_id": "2", "category_name": "other"}]', "2"),
        ('{"category_id": "99", "category_name": "unknown"}', "1"),
        ('{"category_id": "2"}', "1"),
        ('{"category_name": "other"}', "1"),
        ("{}", "1"),
        ('{"category_id": ["2"], "category_name": "x"}', "1"),
    ],
)
async def test_the_answer_chooses_the_branch(answer: str, handle: str) -> None:
    assert (await classified(answer)).handle == handle


async def test_the_chosen_class_is_told() -> None:
    result = await classified('{"category_id": "1", "category_name": "x"}')

    assert result.outputs["class_name"] == "about bills"
    assert result.outputs["class_label"] == "CLASS 1"
    assert result.outputs["class_id"] == "1"
    assert result.outputs["usage"]["total_tokens"] == 5
    assert result.inputs["query"] == "My bill is wrong"
    assert result.process_data["finish_reason"] == "stop"


async def test_a_label_of_its_own_is_told() -> None:
    result = await classified('{"category_id": "2", "category_name": "x"}')

    assert result.outputs["class_label"] == "Rest"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("no json", "ValueError"),
        ("{broken", "ValueError"),
        ("{日本}", "OutputParserError"),
        ("[1, 2]", "OutputParserError"),
        ("", "ValueError"),
    ],
)
async def test_an_answer_without_json_fails_with_what_was_used(answer: str, kind: str) -> None:
    with pytest.raises(NodeFailure) as caught:
        await classified(answer)

    assert caught.value.kind == kind
    assert caught.value.usage is not None
    assert caught.value.usage.total_tokens == 5
    assert caught.value.inputs["query"] == "My bill is wrong"


async def test_a_failed_call_has_the_type_of_its_error_and_tells_tokens() -> None:
    failure = ModelFailure("slow down", kind="InvokeRateLimitError")

    with pytest.raises(NodeFailure, match="slow down") as caught:
        await classifier().run(ModelContext(ScriptedModels([failure]), VALUES))

    assert caught.value.kind == "InvokeRateLimitError"
    assert caught.value.usage is not None


async def test_the_text_is_the_end_of_the_last_message_as_it_is() -> None:
    models = ScriptedModels([['{"category_id": "2", "category_name": "x"}']])
    values: dict[str, dict[str, Json]] = {"start": {"s": 'say "hi"\n{x}', "kind": "k"}}

    await classifier(instruction="Mind {{#start.kind#}}.").run(ModelContext(models, values))

    [system, user] = models.requests[0].messages
    assert system.role == "system"
    assert user.text.endswith('say "hi"\n{x}')
    assert '{"category_id": "uuid-3", "category_name": "third"}' in user.text
    assert "Mind k." in user.text


async def test_a_missing_query_is_an_empty_text() -> None:
    result = await classified('{"category_id": "2", "category_name": "x"}', query_variable_selector=["start", "no"])

    assert result.inputs["query"] is None


async def test_models_that_can_get_a_schema() -> None:
    models = ScriptedModels([['{"category_id": "2", "category_name": "x"}']], able=Abilities(structured_output=True))

    await classifier().run(ModelContext(models, VALUES))

    schema = models.requests[0].schema
    assert schema is not None
    assert schema["properties"]["category_id"]["enum"] == ["1", "2", "uuid-3"]


async def test_classes_are_needed() -> None:
    data = fields({"model": MODEL, "classes": []})
    QuestionClassifier.from_dsl(data)

    assert [str(problem) for problem in data.problems] == ["data.classes: is empty (expected at least one class)"]
