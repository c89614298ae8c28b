"""The Start node checks objects against their schemas."""

import asyncio
import threading
from typing import Any

import pytest

from jikko.dsl.json_schema import JsonSchema, SchemaViolation
from jikko.nodes.contract import NodeFailure
from jikko.nodes.flow.start import Start
from jikko.values import Json
from tests.effort import PATIENCE
from tests.nodes.context import FakeContext, fields

pytestmark = pytest.mark.anyio


def start(schema: dict[str, Any]) -> Start:
    return Start.from_dsl(fields({"variables": [{"variable": "o", "type": "json_object", "json_schema": schema}]}))


async def failure_of(schema: dict[str, Any], value: Json) -> str:
    node = start(schema)
    with pytest.raises(NodeFailure) as raised:
        await node.run(FakeContext({"node": {"o": value}}))
    return str(raised.value)


async def test_an_object_that_does_not_fit_its_schema_fails_the_node() -> None:
    assert await failure_of({"required": ["a"]}, {"品": "🎉"}) == (
        "Input o does not fit its schema: 'a' is a required property"
    )


@pytest.mark.parametrize("empty", [{}, "", [], 0, False])
async def test_an_empty_value_is_not_checked(empty: Json) -> None:
    result = await start({"required": ["a"]}).run(FakeContext({"node": {"o": empty}}))

    assert result.outputs == {"o": empty}


async def test_a_schema_that_points_elsewhere_fails_the_node_and_is_not_fetched() -> None:
    assert await failure_of({"$ref": "http://127.0.0.1:9/schema"}, {"a": 1}) == (
        "Input o cannot be checked against its schema: its $ref 'http://127.0.0.1:9/schema' is not in the schema, "
        "and nothing is fetched."
    )


async def test_of_a_long_value_that_does_not_fit_only_the_beginning_is_told() -> None:
    message = await failure_of({"properties": {"a": {"type": "number"}}}, {"a": "x" * 1_000_000})

    assert message.startswith("Input o does not fit its schema: 'xxx")
    assert len(message) < 400


NUMBERS = {"properties": {"n": {"items": {"type": "number"}}}}


async def test_the_event_loop_goes_on_while_a_large_object_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    went_on = threading.Event()

    def waits(schema: JsonSchema, value: Json) -> SchemaViolation | None:
        assert went_on.wait(PATIENCE)
        return None

    monkeypatch.setattr(JsonSchema, "violation", waits)
    asyncio.get_running_loop().call_soon(went_on.set)

    large = {"n": list(range(10_000))}
    assert (await start(NUMBERS).run(FakeContext({"node": {"o": large}}))).outputs == {"o": large}


async def test_a_large_object_that_does_not_fit_fails_the_node_as_a_small_one_does() -> None:
    assert await failure_of(NUMBERS, {"n": [*range(10_000), "x"]}) == (
        "Input o does not fit its schema: 'x' is not of type 'number'"
    )


def test_a_small_object_is_checked_at_once() -> None:
    running = start(NUMBERS).run(FakeContext({"node": {"o": {"n": [1, 2]}}}))
    with pytest.raises(StopIteration):
        running.send(None)
