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
