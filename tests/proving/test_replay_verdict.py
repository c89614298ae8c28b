"""Verdicts of replays: of a changed workflow, and of an unchanged one with missing dependencies."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled
from jikko.cli.testing.replay import ReplaySums, TextReplayReport
from jikko.runs.reading.field_changes import ChangedField
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, node, python, start, template, with_environment
from tests.proving.recorded_flows import Shop, model, replayed, runs_of

pytestmark = pytest.mark.anyio
FILE = {
    "dify_model_identity": "__dify__file__",
    "type": "document",
    "transfer_method": "remote_url",
    "filename": "名.pdf",
    "size": 3,
}


@pytest.fixture
async def assembly(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assembled(Settings(home=tmp_path, fake_models=True), in_memory=True, http=Shop()) as made:
        yield made


def chat(*nodes: dict[str, Any], edges: str) -> str:
    mood = {"id": "0199a1b2-0000-7000-8000-0000000000b2", "name": "mood", "value_type": "string", "value": ""}
    return app("Chat", [start(), *nodes], edges, mode="advanced-chat", conversation_variables=[mood])


async def test_another_value_written_to_a_variable_is_another_way(assembly: Assembly) -> None:
    item = {"variable_selector": ["conversation", "mood"], "input_type": "constant", "operation": "set"}
    keep = node("keep", "assigner", version="2", items=[{**item, "value": "嬉しい"}])
    text = chat(keep, node("reply", "answer", answer="円"), edges="start>keep>reply")
    flow = await runs_of(assembly, text.encode(), {"query": "🚑"})

    [unchanged] = await replayed(assembly, flow, text.encode())
    [changed] = await replayed(assembly, flow, text.replace("嬉しい", "悲しい").encode())

    assert unchanged.outcome == "same"
    assert (changed.outcome, changed.where) == ("same_result", ("keep",))
    assert changed.difference is not None
    assert changed.difference.path == "/writes/0/new_value"


async def test_a_secret_written_to_a_variable_is_neither_told_nor_a_difference(assembly: Assembly) -> None:
    item = {"variable_selector": ["conversation", "mood"], "input_type": "variable", "operation": "over-write"}
    keep = node("keep", "assigner", version="2", items=[{**item, "value": ["env", "key"]}])
    text = chat(keep, node("reply", "answer", answer="円"), edges="start>keep>reply")
    text = with_environment(text, key=("secret", "sésame-1"))
    flow = await runs_of(assembly, text.encode(), {"query": "🚑"})

    [unchanged] = await replayed(assembly, flow, text.encode())
    [changed] = await replayed(assembly, flow, text.replace('"over-write"', '"clear"').encode())

    assert unchanged.outcome == "same", unchanged
    assert (changed.outcome, changed.where) == ("same_result", ("keep",))
    assert "sésame-1" not in repr(changed), changed


@pytest.mark.parametrize(("before", "after"), [("9", "9.0"), ("1", "True"), ("[0]", "[False]")])
async def test_a_value_of_another_type_is_another_result(assembly: Assembly, before: str, after: str) -> None:
    source = "def main(q):\n    return {'x': {'deep': VALUE}}\n"
    nodes = [start("q"), python("made", source, {"x": "object"}, q="start.q"), end(x="made.x")]
    text = app("Made", nodes, "start>made>end")
    flow = await runs_of(assembly, text.replace("VALUE", before).encode(), {"q": "円"})

    [result] = await replayed(assembly, flow, text.replace("VALUE", after).encode())

    assert (result.outcome, result.where) == ("other_result", ("made", "end"))


async def test_a_model_with_memory_is_replayed_where_no_provider_is_set_up(assembly: Assembly, tmp_path: Path) -> None:
    memory = {"window": {"enabled": False, "size": 10}, "query_prompt_template": "{{#sys.query#}}"}
    nodes = model("Draft", "言って", memory=memory), node("reply", "answer", answer="{{#Draft.text#}}")
    text = chat(*nodes, edges="start>Draft>reply").encode()
    flow = await runs_of(assembly, text, {"query": "円"}, {"query": "🚑"})

    async with assembled(Settings(home=tmp_path / "bare"), in_memory=True) as bare:
        ports = replace(assembly.ports, models=bare.ports.models)
        results = await replayed(assembly, flow, text, ports=ports)

    assert [result.outcome for result in results] == ["same", "same"], results


async def test_a_search_with_another_value_in_its_filter_is_assumed(assembly: Assembly) -> None:
    condition = {"name": "言語", "comparison_operator": "is", "value": "{{#made.output#}}"}
    search = node(
        "search",
        "knowledge-retrieval",
        query_variable_selector=["start", "q"],
        dataset_ids=["11111111-1111-4111-8111-111111111111"],
        retrieval_mode="multiple",
        multiple_retrieval_config={"top_k": 3, "reranking_enable": False},
        metadata_filtering_mode="manual",
        metadata_filtering_conditions={"logical_operator": "and", "conditions": [condition]},
    )
    nodes = [start("q"), template("made", "日本 {{ q }}", q="start.q"), search, end(x="search.result")]
    text = app("Searches", nodes, "start>made>search>end")
    flow = await runs_of(assembly, text.encode(), {"q": "円"})

    [unchanged] = await replayed(assembly, flow, text.encode())
    [changed] = await replayed(assembly, flow, text.replace("日本", "仏").encode())

    assert (unchanged.outcome, unchanged.assumed) == ("same", 0)
    assert (changed.outcome, changed.assumed) == ("same_result", 1)
    assert changed.difference == ChangedField("/metadata_filter/conditions/0/value", "日本 円", "仏 円")
    other = app("Searches", [start("q"), search, end(x="search.result")], "start>search>end")
    [of_another] = await replayed(assembly, flow, text.encode(), before=other.encode())
    assert (of_another.outcome, of_another.assumed) == ("same_result", 1)


async def test_another_file_of_the_same_name_and_size_is_another_result(assembly: Assembly) -> None:
    source = "def main(q):\n    return {'x': {'remote_url': VALUE, **FILE}}\n".replace("FILE", json.dumps(FILE))
    nodes = [start("q"), python("made", source, {"x": "object"}, q="start.q"), end(x="made.x")]
    text = app("Made", nodes, "start>made>end")
    flow = await runs_of(assembly, text.replace("VALUE", "'https://shop.example/1'").encode(), {"q": "円"})

    [result] = await replayed(assembly, flow, text.replace("VALUE", "'https://shop.example/2'").encode())

    assert (result.outcome, result.where) == ("other_result", ("made", "end"))


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ((Decimal(0), Decimal(0)), "tokens 1,200 → 900, price unknown or 0\n"),
        ((Decimal("0.5"), Decimal(0)), "tokens 1,200 → 900, price 0.5 → 0\n"),
    ],
)
def test_tokens_without_a_known_price_are_not_free(
    price: tuple[Decimal, Decimal], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    TextReplayReport({}).close(ReplaySums(tokens=(1200, 900), price=price), 0.0)
    assert told in capsys.readouterr().out
