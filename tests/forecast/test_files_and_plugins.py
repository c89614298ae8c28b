"""docs/files.md: files run once their missing plugins are installed, from packages with the named parts."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from jikko.assemble import assemble
from jikko.assemble.installation import installation_of
from jikko.conversations.turns import TurnRequest
from jikko.events import RunFinished
from jikko.forecast.forecast import forecast
from jikko.plugins.package.package_names import provider_name
from jikko.ports.stores.messages import Message
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.forecast.running import checked
from tests.forecast.test_files import SAMPLES, rows
from tests.plugins.packages import STAND_IN, manifest, parameter, tool
from tests.plugins.world import installed
from tests.providers.fake_model import Answer, FakeModel, streamed

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MAIN: Final = b"""
import json
import stand_in


def act(session, name, given, data, whole):
    shown = json.dumps({key: given[key] for key in sorted(given) if isinstance(given[key], str)}, ensure_ascii=False)
    stand_in.text(session, f"{name} {shown}")
    stand_in.say(session, "end")


stand_in.act = act
stand_in.main()
"""


@dataclass(frozen=True)
class Case:
    """What a file is given, and what comes of it."""

    inputs: Mapping[str, Any]
    outputs: Callable[[Mapping[str, Any]], bool]
    model: Answer = field(default_factory=lambda: streamed("答え"))


RUNS: Final[Mapping[str, Case]] = {
    "jina-reader.yml": Case(
        # What is searched for is told back, and so is what is read.
        {"Question": "茶 https://tea.test/a とは"},
        lambda outputs: outputs == {"text": "|URL|Summary|\n|---|---|\n|https://tea.test/a|答え|\n"},
    ),
    "json-translate.yml": Case(
        {"json_data": '{"名": "茶", "他": [1, "水"]}'},
        lambda outputs: (
            json.loads(outputs["updated_json"])
            == {
                "名": 'translate {"content": "茶", "dest": "en"}',
                "他": [1, 'translate {"content": "水", "dest": "en"}'],
            }
        ),
    ),
    "mcp-amap.yml": Case(
        {}, lambda outputs: outputs["answer"].startswith('function_calling {"instruction": "通过amap')
    ),
    "tod-agent.yml": Case({}, lambda outputs: outputs["answer"].startswith('TOD {"information_schema"')),
}


def test_every_file_that_runs_with_its_plugins_is_run() -> None:
    assert {row.file for row in rows() if row.outcome == "runs" and row.lacks} == set(RUNS)


def _needed(nodes: list[dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The providers that nodes name, each as plugin, kind, and declaration of a tool or a strategy."""
    for data in (node["data"] for node in nodes):
        if data["type"] == "tool" and data["provider_type"] == "builtin":
            names = [*data.get("tool_parameters", {}), *data.get("tool_configurations", {})]
            declared = [
                parameter(name, form="form" if name not in data["tool_parameters"] else "llm") for name in names
            ]
            yield str(provider_name(data["provider_id"])), "tools", tool(data["tool_name"], *declared)
        elif data["type"] == "agent":
            kinds = {"model": "model-selector", "tools": "array[tools]"}
            declared = [parameter(name, kinds.get(name, "string")) for name in data["agent_parameters"]]
            declaration = tool(data["agent_strategy_name"], *declared)
            yield str(provider_name(data["agent_strategy_provider_name"])), "agent_strategies", declaration


def packages_for(text: bytes) -> dict[str, dict[str, bytes]]:
    """Packages with the tools and strategies that a file names, by plugin."""
    found: dict[str, dict[str, bytes]] = {}
    nodes = yaml.safe_load(text)["workflow"]["graph"]["nodes"]
    for full, kind, declaration in _needed(nodes):
        plugin, _, provider = full.rpartition("/")
        author, _, name = plugin.partition("/")
        key = "tools" if kind == "tools" else "strategies"
        action = declaration["identity"]["name"]
        package = found.setdefault(
            plugin, {"main.py": MAIN, "stand_in.py": STAND_IN.read_bytes(), "requirements.txt": b""}
        )
        package[f"{key}/{action}.yaml"] = yaml.safe_dump(declaration, allow_unicode=True).encode()
        actions = sorted(path for path in package if path.startswith(f"{key}/"))
        listed = {"identity": {"name": provider, "label": {"en_US": provider}}, key: actions}
        package["provider.yaml"] = yaml.safe_dump(listed).encode()
        package["manifest.yaml"] = yaml.safe_dump(
            manifest(author=author, name=name, plugins={kind: ["provider.yaml"]})
        ).encode()
    return found


@pytest.mark.parametrize("name", RUNS)
async def test_a_file_runs_once_its_plugins_are_installed(name: str, tmp_path: Path) -> None:
    case = RUNS[name]
    text = (SAMPLES / name).read_bytes()
    home = tmp_path / "home"
    for content in packages_for(text).values():
        await installed(home, content)
    async with FakeModel(case.model) as model:
        (tmp_path / "providers.yml").write_text(
            json.dumps({"providers": {"*": {"type": "openai", "base_url": model.url}}})
        )
        settings = Settings(home=home, providers=tmp_path / "providers.yml")
        found = forecast(checked(text), installation_of(settings, {}))
        async with assemble(settings, in_memory=True, environment={}) as assembly:
            app = (await assembly.apps.publish(text, source=name)).app
            if app.mode == "workflow":
                end = await (
                    await assembly.runs.start(app, StartRequest(inputs=dict(case.inputs), user="tester"))
                ).ended()
            else:
                asked = TurnRequest(query="東京へ旅行", inputs=case.inputs, user="tester", name_wanted=False)
                begun = await assembly.chat.turns.begin(app, asked)
                assert not isinstance(begun, Message)
                end = await begun.run.ended()
            await assembly.runs.close(0)
    assert isinstance(end, RunFinished)
    assert (end.status, end.error) == ("succeeded", None)
    assert found.verdict == "runs"
    assert case.outputs(end.outputs), end.outputs
