"""What all nodes that call a model tell of themselves."""

from typing import Any

import pytest

from jikko.nodes.registry import BY_TYPE
from jikko.values import Json
from tests.nodes.context import fields
from tests.nodes.models import MODEL, ModelContext, ScriptedModels

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("llm", {"prompt_template": [{"role": "user", "text": "hi"}]}),
        ("question-classifier", {"classes": [{"id": "1", "name": "a"}], "query_variable_selector": ["start", "s"]}),
        ("parameter-extractor", {"parameters": [{"name": "n", "type": "string"}], "query": ["start", "s"]}),
    ],
)
async def test_requests_name_app_and_run_by_which_they_take_turns(kind: str, data: dict[str, Json]) -> None:
    models = ScriptedModels([['{"category_id": "1", "category_name": "a", "n": "x"}']])
    node: Any = BY_TYPE[kind].from_dsl(fields({"model": MODEL, **data}))

    await node.run(ModelContext(models, {"start": {"s": "text"}}))

    assert [(request.app_id, request.run_id) for request in models.requests] == [("app", "run")]
