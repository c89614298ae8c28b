"""Answers that have to fit a schema."""

import asyncio
import threading

import pytest

from jikko.dsl.json_schema import JsonSchema, SchemaViolation
from jikko.nodes.contract import NodeFailure
from jikko.nodes.model.structured_output import StructuredOutput
from jikko.values import Json
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio

NUMBERS = StructuredOutput({"properties": {"n": {"items": {"type": "number"}}}})


async def test_what_does_not_fit_is_told_with_its_place_and_cut() -> None:
    with pytest.raises(NodeFailure) as caught:
        await NUMBERS.value_of('{"n": [1, "' + "x" * 100_000 + '"]}')

    assert str(caught.value).startswith("The model's answer does not fit the schema: n.1: 'xxx")
    assert len(str(caught.value)) < 400


async def test_the_event_loop_goes_on_while_a_long_answer_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    went_on = threading.Event()

    def waits(schema: JsonSchema, value: Json) -> SchemaViolation | None:
        assert went_on.wait(PATIENCE)
        return None

    monkeypatch.setattr(JsonSchema, "violation", waits)
    asyncio.get_running_loop().call_soon(went_on.set)

    value = await NUMBERS.value_of(f'{{"n": [{"1, " * 10_000}1]}}')
    assert len(value["n"]) == 10_001
