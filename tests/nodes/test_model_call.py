"""Common records of nodes that call a model."""

import json
from typing import Any

import pytest

from jikko.events import Usage
from jikko.nodes.contract import NodeFailure, total
from jikko.nodes.registry import BY_TYPE
from jikko.ports.models import ModelFailure
from jikko.values import Json
from tests.nodes.context import fields
from tests.nodes.models import MODEL, ModelContext, ScriptedModels

pytestmark = pytest.mark.anyio


NODES: list[tuple[str, dict[str, Json]]] = [
    ("llm", {"prompt_template": [{"role": "user", "text": "hi {{#env.KEY#}}"}]}),
    ("question-classifier", {"classes": [{"id": "1", "name": "a"}], "query_variable_selector": ["env", "KEY"]}),
    ("parameter-extractor", {"parameters": [{"name": "n", "type": "string"}], "query": ["env", "KEY"]}),
]
SECRET = 'tok-"12345"-秘密'


@pytest.mark.parametrize(("kind", "data"), NODES)
async def test_requests_name_app_and_run_by_which_they_take_turns(kind: str, data: dict[str, Json]) -> None:
    models = ScriptedModels([['{"category_id": "1", "category_name": "a", "n": "x"}']])
    node: Any = BY_TYPE[kind].from_dsl(fields({"model": MODEL, **data}))

    await node.run(ModelContext(models, {"env": {"KEY": "text"}}))

    assert [(request.app_id, request.run_id) for request in models.requests] == [("app", "run")]


@pytest.mark.parametrize(("kind", "data"), NODES)
@pytest.mark.parametrize("quoted", [SECRET, json.dumps(SECRET), SECRET.upper()])
async def test_what_a_provider_says_of_a_secret_in_the_prompt_is_not_kept(
    kind: str, data: dict[str, Json], quoted: str
) -> None:
    models = ScriptedModels(
        [ModelFailure(f"The provider answered 400: bad prompt {quoted}", kind="InvokeBadRequestError")]
    )
    node: Any = BY_TYPE[kind].from_dsl(fields({"model": MODEL, **data}))

    with pytest.raises(NodeFailure) as caught:
        await node.run(
            ModelContext(models, {"env": {"KEY": SECRET, "OTHER": "400"}}, secrets=frozenset({"KEY", "OTHER"}))
        )

    failure = caught.value
    recorded = json.dumps([str(failure), failure.inputs, failure.outputs, failure.process_data], ensure_ascii=False)
    assert "quotes a secret" in str(failure)
    assert quoted not in recorded
    assert SECRET in models.requests[0].messages[-1].text


async def test_what_a_provider_says_of_anything_else_is_kept() -> None:
    models = ScriptedModels([ModelFailure("The provider answered 400: slow down", kind="InvokeRateLimitError")])
    node: Any = BY_TYPE["llm"].from_dsl(fields({"model": MODEL, **NODES[0][1]}))

    with pytest.raises(NodeFailure, match="The provider answered 400: slow down"):
        await node.run(
            ModelContext(models, {"env": {"KEY": SECRET, "OTHER": "400"}}, secrets=frozenset({"KEY", "OTHER"}))
        )


def test_sums_of_prices_are_plain_numbers_and_keep_their_currency() -> None:
    found = total([Usage(total_price="0.0000001", currency="USD"), None, Usage(total_price="0", currency="")])

    assert found is not None
    assert (found.total_price, found.currency) == ("0.0000001", "USD")
