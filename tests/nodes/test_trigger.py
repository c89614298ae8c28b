"""A trigger at which a run begins that nothing triggered."""

from typing import Any

import pytest

from jikko.nodes.flow.trigger import Trigger
from jikko.values import Json
from tests.nodes.context import FakeContext

pytestmark = pytest.mark.anyio

SYSTEM: dict[str, Json] = {"files": [], "user_id": "anna 日本", "app_id": "a", "timestamp": 7, "workflow_id": "w"}
COPIES = {f"sys.{name}": value for name, value in SYSTEM.items()}


async def outputs(kind: str, **data: Any) -> dict[str, Json]:
    result = await Trigger.of(kind, data).run(FakeContext({"sys": SYSTEM}))
    assert (result.inputs, result.process_data) == ({}, {})
    return dict(result.outputs)


async def test_what_a_webhook_declares_is_null_and_not_missing() -> None:
    assert await outputs(
        "trigger-webhook",
        headers=[{"name": "X-Token-Id", "required": True}],
        params=[{"name": "n", "type": "number"}],
        body=[{"name": "メタ", "type": "object"}, {"name": "n", "type": "string"}],
    ) == {"X_Token_Id": None, "n": None, "メタ": None, "_webhook_raw": {}, **COPIES}


@pytest.mark.parametrize("kind", ["trigger-schedule", "trigger-plugin"])
async def test_other_triggers_have_the_system_variables(kind: str) -> None:
    assert await outputs(kind, params=[{"name": "n"}]) == COPIES


@pytest.mark.parametrize("wrong", [None, "x", 5, {"name": "n"}, [None, 5, "x", {}, {"name": ""}, {"name": ["n"]}]])
async def test_declarations_that_are_none_are_passed_over(wrong: Any) -> None:
    found = await outputs("trigger-webhook", headers=wrong, params=wrong, body=wrong)

    assert found == {"_webhook_raw": {}, **COPIES}


CALL: dict[str, Json] = {
    "method": "POST",
    "headers": {"Content-Type": "application/json", "X-Token-Id": "t"},
    "query_params": {"n": 3},
    "body": {"メタ": {"a": 1}, "other": 2},
    "files": {},
}


async def test_what_came_with_a_call_is_handed_on_by_name() -> None:
    node = Trigger.of(
        "trigger-webhook",
        {
            "headers": [{"name": "x-token_id"}, {"name": "X-Other"}],
            "params": [{"name": "n", "type": "number"}, {"name": "m"}],
            "body": [{"name": "メタ", "type": "object"}, {"name": "b"}],
        },
    )

    result = await node.run(FakeContext({"sys": SYSTEM, "node": {"webhook_data": CALL, "webhook_body": CALL["body"]}}))

    assert result.inputs == {"webhook_data": CALL, "webhook_body": CALL["body"]}
    assert result.outputs == {
        **{"x_token_id": "t", "X_Other": None, "n": 3, "m": None, "メタ": {"a": 1}, "b": None},
        "_webhook_raw": CALL,
        **COPIES,
    }


@pytest.mark.parametrize(
    ("files", "found"), [({"f": {"size": 1}, "g": {"size": 2}}, {"size": 1}), ({"g": {}}, {"g": {}}), ({}, {})]
)
async def test_a_declared_file_is_the_file_and_else_all_files(files: Json, found: Json) -> None:
    node = Trigger.of(
        "trigger-webhook", {"content_type": "multipart/form-data", "body": [{"name": "f", "type": "file"}]}
    )
    given: dict[str, Json] = {"webhook_data": {**CALL, "files": files}}

    result = await node.run(FakeContext({"sys": SYSTEM, "node": given}))

    assert result.outputs["f"] == found


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream"])
async def test_a_text_and_bytes_are_the_value_of_each_declared_field(kind: str) -> None:
    node = Trigger.of("trigger-webhook", {"content_type": kind, "body": [{"name": "a"}, {"name": "b", "type": "file"}]})
    given: dict[str, Json] = {"webhook_data": {**CALL, "body": {"raw": "良い🙂"}}}

    result = await node.run(FakeContext({"sys": SYSTEM, "node": given}))

    assert (result.outputs["a"], result.outputs["b"]) == ("良い🙂", "良い🙂")
