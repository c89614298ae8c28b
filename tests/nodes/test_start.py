"""The Start node checks objects against their schemas."""

from typing import Any

import pytest

from jikko.nodes.contract import NodeFailure
from jikko.nodes.start import Start
from jikko.values import Json
from tests.nodes.context import FakeContext, fields

pytestmark = pytest.mark.anyio


async def failure_of(schema: dict[str, Any], value: Json) -> str:
    variable = {"variable": "o", "type": "json_object", "json_schema": schema}
    node = Start.from_dsl(fields({"variables": [variable]}))
    with pytest.raises(NodeFailure) as raised:
        await node.run(FakeContext({"node": {"o": value}}))
    return str(raised.value)


async def test_an_object_that_does_not_fit_its_schema_fails_the_node() -> None:
    assert await failure_of({"required": ["a"]}, {}) == ("Input o does not fit its schema: 'a' is a required property")


async def test_a_schema_that_points_elsewhere_fails_the_node_and_is_not_fetched() -> None:
    assert await failure_of({"$ref": "http://127.0.0.1:9/schema"}, {}) == (
        "Input o cannot be checked against its schema: its $ref 'http://127.0.0.1:9/schema' is not in the schema, "
        "and nothing is fetched."
    )


async def test_of_a_long_value_that_does_not_fit_only_the_beginning_is_told() -> None:
    told = await failure_of({"properties": {"a": {"type": "number"}}}, {"a": "x" * 1_000_000})

    assert told.startswith("Input o does not fit its schema: 'xxx")
    assert len(told) < 400
