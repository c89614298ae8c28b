"""Replays of ten flows report every change of behaviour, and none of appearance."""

import copy
import os
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pytest
import yaml

from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled
from jikko.settings import Settings
from tests.proving.recorded_flows import INPUTS, Shop, recorded, replayed, written

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SEED = int(os.environ.get("TEST_SEED") or Random().randrange(1 << 32))
Content: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[], None]
OPPOSITE = {
    "contains": "not contains",
    "is": "is not",
    "=": "≠",
    "≥": "<",
    ">": "≤",
    "<": "≥",
    "≤": ">",
    "empty": "not empty",
    "not empty": "empty",
    "not contains": "contains",
    "is not": "is",
    "in": "not in",
}


@pytest.fixture
async def assembly(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assembled(Settings(home=tmp_path, fake_models=True), in_memory=True, http=Shop()) as made:
        yield made


def nodes_of(content: Content) -> list[Content]:
    nodes: list[Content] = content["workflow"]["graph"]["nodes"]
    return nodes


def setting(data: Content, name: str, value: Any) -> Change:
    return lambda: data.__setitem__(name, value)


def changes(content: Content, ran: set[str]) -> Iterator[tuple[str, Change]]:
    """Changes that matter to one of the runs at least."""
    for node in nodes_of(content):
        data, kind = node["data"], node["data"]["type"]
        if node["id"] not in ran:
            continue
        for name in ("template", "answer", "url", "instruction"):
            if data.get(name):
                yield f"{name} of {node['id']}", setting(data, name, f"{data[name]}2")
        if kind == "if-else":
            for condition in data["cases"][0]["conditions"]:
                if condition["comparison_operator"] in OPPOSITE and len(data["cases"][0]["conditions"]) == 1:
                    operator = OPPOSITE[condition["comparison_operator"]]
                    yield f"condition of {node['id']}", setting(condition, "comparison_operator", operator)
        if kind == "end":
            yield f"outputs of {node['id']}", data["outputs"].pop
        if kind == "llm":
            message = data["prompt_template"][0]
            yield f"prompt of {node['id']}", setting(message, "text", message["text"] + " please")
        if "model" in data:
            yield f"model of {node['id']}", setting(data["model"], "name", "another")
            yield f"temperature of {node['id']}", setting(data["model"], "completion_params", {"temperature": 0.9})
        if kind == "code":
            yield f"code of {node['id']}", setting(data, "code", "def main(**given):\n    return 1 / 0\n")
        if kind == "http-request":
            yield f"method of {node['id']}", setting(data, "method", "post")
    edges = content["workflow"]["graph"]["edges"]
    targets = [edge["target"] for edge in edges]
    for edge in edges:
        if edge["source"] in ran and edge["target"] in ran and targets.count(edge["target"]) == 1:
            yield f"edge {edge['source']} to {edge['target']}", partial(edges.remove, edge)


def looks(content: Content, random: Random) -> Iterator[tuple[str, bytes]]:
    """The same flow, looking otherwise."""
    moved = copy.deepcopy(content)
    for node in nodes_of(moved):
        node |= {"position": {"x": random.random(), "y": -3}, "width": random.randrange(999), "selected": True}
    moved["workflow"]["graph"]["viewport"] = {"x": 1, "y": 2, "zoom": 0.3}
    yield "positions", written(moved)
    called = copy.deepcopy(content)
    for node in nodes_of(called):
        node["data"] |= {"title": f"名 {random.random()} 🚑", "desc": "why"}
    called["app"] |= {"description": "another", "icon": "🚑"}
    yield "titles", written(called)

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(each) for name, each in reversed(value.items())}
        return [turned(each) for each in value] if isinstance(value, list) else value

    text = yaml.safe_dump(turned(content), allow_unicode=True, sort_keys=False)
    yield "order of keys, and comments", b"# a comment\n" + text.encode() + b"# another\n"


@pytest.mark.parametrize("name", INPUTS)
async def test_each_change_that_matters_is_reported(name: str, assembly: Assembly) -> None:
    flow = await recorded(assembly, name)
    unchanged = copy.deepcopy(flow.content)
    count = len(list(changes(unchanged, flow.ran)))
    for number in Random(SEED).sample(range(count), min(count, 6)):
        changed = copy.deepcopy(unchanged)
        what, change = list(changes(changed, flow.ran))[number]
        change()

        results = await replayed(assembly, flow, written(changed))

        assert {result.outcome for result in results} != {"same"}, (what, f"TEST_SEED={SEED}")
        assert all(result.where for result in results if result.outcome != "same"), what


@pytest.mark.parametrize("name", INPUTS)
async def test_no_change_of_looks_is_reported(name: str, assembly: Assembly) -> None:
    flow = await recorded(assembly, name)
    for what, text in looks(flow.content, Random(SEED)):
        results = await replayed(assembly, flow, text)

        assert {result.outcome for result in results} == {"same"}, (what, results)
        assert not any(result.assumed for result in results), what
