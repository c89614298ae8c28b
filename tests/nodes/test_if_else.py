"""If-else node: what it records, and the branch it takes."""

import pytest

from jikko.nodes.contract import NodeFailure
from jikko.nodes.flow.if_else import IfElse
from jikko.values import Json
from tests.nodes.context import FakeContext, fields

pytestmark = pytest.mark.anyio


def case(case_id: str, name: str, operator: str, value: str) -> dict[str, Json]:
    condition = {"variable_selector": ["start", name], "comparison_operator": operator, "value": value}
    return {"case_id": case_id, "logical_operator": "and", "conditions": [condition]}


async def test_a_failure_records_the_cases_before_it_and_no_conditions() -> None:
    node = IfElse.from_dsl(fields({"cases": [case("a", "s", "is", "x"), case("b", "s", ">", "1")]}))

    with pytest.raises(NodeFailure) as caught:
        await node.run(FakeContext({"start": {"s": "日本"}}))

    assert caught.value.inputs == {"conditions": []}
    assert [result["final_result"] for result in caught.value.process_data["condition_results"]] == [False]


async def test_a_case_without_an_id_takes_the_else_branch() -> None:
    node = IfElse.from_dsl(fields({"cases": [case("", "s", "not empty", "")]}))

    result = await node.run(FakeContext({"start": {"s": "🎉"}}))

    assert (result.handle, result.outputs["result"], result.outputs["selected_case_id"]) == ("false", True, "")
