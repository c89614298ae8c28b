"""Parameter extractor: handling of the model's values."""

from typing import Any

import pytest

from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.model.parameter_extractor import ParameterExtractor
from jikko.ports.models import Abilities, ModelFailure
from jikko.values import Json
from tests.nodes.context import fields
from tests.nodes.models import MODEL, ModelContext, ScriptedModels, calls

pytestmark = pytest.mark.anyio

VALUES: dict[str, dict[str, Json]] = {"start": {"s": "Three days in Oslo", "lang": "English"}}
CITY = {"name": "city", "type": "string", "description": "Where", "required": True}
DAYS = {"name": "days", "type": "number", "description": "How long", "required": False}
NO_TOOLS = Abilities(tools=False)


def extractor(*parameters: dict[str, Json], **data: Any) -> ParameterExtractor:
    given = {"model": MODEL, "query": ["start", "s"], "parameters": list(parameters or (CITY, DAYS)), **data}
    source = fields(given)
    node = ParameterExtractor.from_dsl(source)
    assert not source.problems
    return node


async def extracted(answer: str, *parameters: dict[str, Json], **data: Any) -> Result:
    models = ScriptedModels([[answer]])
    return await extractor(*parameters, **{"reasoning_mode": "prompt", **data}).run(ModelContext(models, VALUES))


async def test_values_are_outputs() -> None:
    result = await extracted('Here: {"city": "Oslo", "days": 3} ok?')

    outputs = dict(result.outputs)
    assert outputs.pop("__usage")["total_tokens"] == 5
    assert outputs == {"__is_success": 1, "__reason": None, "city": "Oslo", "days": 3}
    assert result.process_data["llm_text"] == 'Here: {"city": "Oslo", "days": 3} ok?'
    assert result.process_data["function"] == {}
    assert result.inputs["parameters"][0] == {**CITY, "options": None}


@pytest.mark.parametrize("mode", ["function_call", "", None])
async def test_models_that_can_call_a_function(mode: Json) -> None:
    models = ScriptedModels([calls('{"city": "Oslo", "days": 3}', '{"city": "no"}', text="hm")])

    result = await extractor(reasoning_mode=mode).run(ModelContext(models, VALUES))

    assert result.outputs["city"] == "Oslo"
    [tool] = models.requests[0].tools
    assert tool.parameters["required"] == ["city"]
    assert result.process_data["function"]["name"] == "extract_parameters"
    assert result.process_data["tool_call"]["function"]["arguments"] == '{"city": "Oslo", "days": 3}'
    assert not models.requests[0].stream


async def test_models_that_cannot_are_asked_in_words() -> None:
    models = ScriptedModels([['{"city": "Oslo", "days": 3}']], able=NO_TOOLS)

    result = await extractor().run(ModelContext(models, VALUES))

    assert result.outputs["__is_success"] == 1
    assert models.requests[0].tools == ()


async def test_models_that_could_not_after_all_are_asked_in_words() -> None:
    refusal = ModelFailure("no tools", kind="InvokeBadRequestError", unsupported="tools")
    models = ScriptedModels([refusal, ['{"city": "Oslo", "days": 3}']])

    result = await extractor().run(ModelContext(models, VALUES))

    assert result.outputs["city"] == "Oslo"
    assert [len(request.tools) for request in models.requests] == [1, 0]
    assert result.process_data["function"] == {}


async def test_a_model_with_tools_may_answer_in_words() -> None:
    models = ScriptedModels([['{"city": "Oslo", "days": 3}']])

    assert (await extractor().run(ModelContext(models, VALUES))).outputs["city"] == "Oslo"


@pytest.mark.parametrize(
    ("answer", "values", "reason"),
    [
        ("nothing", {"city": "", "days": 0}, "Failed to extract"),
        ("{broken", {"city": "", "days": 0}, "Failed to extract"),
        ('{"days": 3}', {"city": "", "days": 3}, "Invalid number"),
        ('{"city": "Oslo", "x": 1}', {"city": "Oslo", "days": 0}, "days"),
        ('{"town": "Oslo", "days": 1}', {"city": "", "days": 1}, "city is required"),
        ('{"city": 7, "days": 1}', {"city": "", "days": 1}, "city"),
        ('{"city": "Oslo", "days": "3"}', {"city": "Oslo", "days": 3}, "days"),
        ('{"city": "Oslo", "days": "3.5"}', {"city": "Oslo", "days": 3.5}, "days"),
        ('{"city": "Oslo", "days": "many"}', {"city": "Oslo", "days": 0}, "days"),
        ('{"city": "Oslo", "days": null}', {"city": "Oslo", "days": 0}, "days"),
        ('{"city": "Oslo", "days": true}', {"city": "Oslo", "days": 1}, None),
    ],
)
async def test_wrong_values_are_told_and_do_not_fail_the_node(
    answer: str, values: dict[str, Json], reason: str | None
) -> None:
    outputs = dict((await extracted(answer)).outputs)

    del outputs["__usage"]
    why = outputs.pop("__reason")
    assert outputs.pop("__is_success") == int(reason is None)
    assert outputs == values
    assert [type(value) for value in outputs.values()] == [type(value) for value in values.values()]
    assert why is None if reason is None else reason in why


@pytest.mark.parametrize(
    ("kind", "value", "output", "fits"),
    [
        ("boolean", "true", True, True),
        ("boolean", "1", True, False),
        ("boolean", '"true"', False, False),
        ("string", '"x"', "x", True),
        ("array[string]", '["a", 1, "b"]', ["a", "b"], False),
        ("array[string]", '["a"]', ["a"], True),
        ("array[number]", '[1, "2", "x", 2.5]', [1, 2, 2.5], False),
        ("array[object]", '[{"a": 1}, 3]', [{"a": 1}], False),
        ("array[boolean]", "[true, 1]", [True], False),
        ("array[string]", '"a"', [], False),
        ("number", "2.5", 2.5, True),
    ],
)
async def test_values_are_brought_to_their_types(kind: str, value: str, output: Json, fits: bool) -> None:
    parameter = {"name": "v", "type": kind, "description": "", "required": True}

    outputs = (await extracted(f'{{"v": {value}}}', parameter)).outputs

    assert outputs["v"] == output
    assert outputs["__is_success"] == int(fits)


async def test_of_a_list_in_a_text_without_an_object_the_number_of_parameters_is_told() -> None:
    parameter = {"name": "都市", "type": "array[string]", "description": "", "required": True}

    outputs = (await extracted("何もない🙂", parameter)).outputs

    assert (outputs["都市"], outputs["__reason"]) == ([], "Invalid number of parameters")


@pytest.mark.parametrize(("value", "success"), [("red", 1), ("pink", 0)])
async def test_options_are_kept_to(value: str, success: int) -> None:
    parameter: dict[str, Json] = {
        "name": "c",
        "type": "string",
        "options": ["red", "blue"],
        "description": "",
        "required": True,
    }

    outputs = (await extracted(f'{{"c": "{value}"}}', parameter)).outputs

    assert (outputs["c"], outputs["__is_success"]) == (value, success)


async def test_a_failed_call_fails_the_node_and_says_so_in_its_outputs() -> None:
    failure = ModelFailure("slow down", kind="InvokeRateLimitError")

    with pytest.raises(NodeFailure, match="slow down") as caught:
        await extractor().run(ModelContext(ScriptedModels([failure]), VALUES))

    assert caught.value.kind == ""
    assert caught.value.outputs["__is_success"] == 0
    assert caught.value.inputs["query"] == "Three days in Oslo"


async def test_the_text_is_the_end_of_the_last_message_and_instructions_are_expanded() -> None:
    models = ScriptedModels([calls("{}")])

    await extractor(instruction="Answer in {{#start.lang#}}.").run(ModelContext(models, VALUES))

    assert models.requests[0].messages[-1].text.endswith("Three days in Oslo")
    assert "Answer in English." in models.requests[0].messages[0].text


@pytest.mark.parametrize("name", ["__reason", "__is_success"])
def test_names_of_outputs_are_taken(name: str) -> None:
    data = fields({"model": MODEL, "parameters": [{**CITY, "name": name}]})
    ParameterExtractor.from_dsl(data)

    assert data.problems


async def test_a_flood_of_braces_does_not_take_forever() -> None:
    assert (await extracted('{"a":' * 200_000)).outputs["__is_success"] == 0
