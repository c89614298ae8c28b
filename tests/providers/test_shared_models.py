"""Models that LLM nodes take from an environment variable, in runs over a real socket."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from jikko.errors import InvalidEnvironment
from tests.acceptance.workflows import Node, app, end, node, start
from tests.providers.fake_model import FakeModel, streamed
from tests.tools.running import installation, publish, ran

pytestmark = pytest.mark.anyio

OPENAI = {"provider": "langgenius/openai/openai", "mode": "chat"}


def llm(node_id: str, **data: Any) -> Node:
    model = {**OPENAI, "name": "own", "completion_params": {"temperature": 0.9}}
    prompt = [{"role": "user", "text": "{{#start.q#}} 日本"}]
    return node(node_id, "llm", model=model, prompt_template=prompt, context={}, vision={}, **data)


def two_models(value: dict[str, Any]) -> str:
    """Two LLM nodes: one with the model of a variable, one with its own."""
    nodes = [start("q"), llm("shared", model_selector=["env", "model"]), llm("own"), end(text="own.text")]
    content = json.loads(app("Outer", nodes, "start>shared shared>own own>end"))
    content["version"] = "0.7.0"
    content["workflow"]["environment_variables"] = [{"name": "model", "value_type": "llm", "value": value}]
    return json.dumps(content, ensure_ascii=False)


async def asked(folder: Path, value: dict[str, Any], *, outside: str = "") -> list[tuple[str, Any]]:
    """The models that a run asked, each with the temperature that it was given."""
    async with FakeModel(streamed("ok")) as server:
        file = folder / "providers.yml"
        file.write_text(
            yaml.safe_dump({"providers": {"openai": {"type": "openai", "base_url": server.url, "api_key": "k"}}})
        )
        async with installation(folder, {}, providers=file) as assembly:
            await publish(assembly, two_models(value))
            if outside:
                await assembly.apps.set_environment(await assembly.apps.find("Outer"), {"model": outside}, [])
            ended = await ran(assembly, "Outer", q="a")
            assert ended.status == "succeeded", ended.error
    return [(body["model"], body.get("temperature")) for body in server.bodies]


async def test_each_node_asks_its_model(tmp_path: Path) -> None:
    value = {**OPENAI, "name": "shared-model", "completion_params": {"temperature": 0.1}}

    assert await asked(tmp_path, value) == [("shared-model", 0.1), ("own", 0.9)]


async def test_without_parameters_of_the_variable_those_of_the_node_count(tmp_path: Path) -> None:
    assert await asked(tmp_path, {**OPENAI, "name": "shared-model"}) == [("shared-model", 0.9), ("own", 0.9)]


async def test_a_value_from_outside_is_the_model_that_is_asked(tmp_path: Path) -> None:
    outside = json.dumps({**OPENAI, "name": "another"})

    assert await asked(tmp_path, {**OPENAI, "name": "shared-model"}, outside=outside) == [
        ("another", 0.9),
        ("own", 0.9),
    ]


async def test_a_value_from_outside_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidEnvironment, match="'model' of app 'Outer' is not a model"):
        await asked(tmp_path, {**OPENAI, "name": "shared-model"}, outside='{"provider": "openai"}')
