"""Answers with an object for a schema."""

import pytest

from jikko.nodes.contract import NodeFailure
from jikko.nodes.model.structured_output import StructuredOutput
from jikko.values import Json

pytestmark = pytest.mark.anyio

SCHEMA = StructuredOutput(
    {
        "type": "object",
        "properties": {"n": {"items": {"type": "number"}}, "ok": {"type": "boolean"}},
        "required": ["n"],
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        pytest.param('{"n": [1, "二"]}', {"n": [1, "二"]}, id="another type"),
        pytest.param('{"ok": "True"}', {"ok": True}, id="no required key"),
        pytest.param('{"n": [], "more": null}', {"n": [], "more": None}, id="a key more"),
        pytest.param('{"ok": "maybe 🙂"}', {"ok": "maybe 🙂"}, id="no boolean"),
        pytest.param(f'{{"n": [{"1, " * 10_000}1]}}', {"n": [1] * 10_001}, id="a long one"),
    ],
)
async def test_an_object_is_taken_though_it_does_not_fit_its_schema(answer: str, value: Json) -> None:
    assert await SCHEMA.value_of(answer) == value


@pytest.mark.parametrize("answer", ["", "5", "no JSON", '"x"', "null"])
async def test_what_is_no_object_fails(answer: str) -> None:
    with pytest.raises(NodeFailure, match="is not a JSON object") as caught:
        await SCHEMA.value_of(answer)

    assert caught.value.kind == "LLMNodeError"
