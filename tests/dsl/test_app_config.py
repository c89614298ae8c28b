"""Apps without a workflow, as they are read: the graph that is made of a ``model_config``."""

import json
from typing import Any

import pytest

from jikko.dsl.document import DslDocument
from jikko.dsl.load import load

from .files import RUNNABLE, problems

MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {"stop": ["x"], "top_p": 1}}
DATASET = "0199a1b2-0000-7000-8000-000000000d01"
OTHER = "0199a1b2-0000-7000-8000-000000000d02"


def file(mode: str, version: str = "0.6.0", **config: Any) -> str:
    return json.dumps(
        {"app": {"name": "名前", "mode": mode}, "version": version, "model_config": {"model": MODEL, **config}}
    )


def read(mode: str, **given: Any) -> DslDocument:
    return load(file(mode, **given), source="x", runnable=RUNNABLE).require()


def data(document: DslDocument, kind: str) -> Any:
    [found] = [node.data for node in document.nodes if node.type == kind]
    return found


@pytest.mark.parametrize(
    ("mode", "config", "nodes"),
    [
        ("completion", {}, ["start", "llm", "end"]),
        ("chat", {}, ["start", "llm", "answer"]),
        (
            "chat",
            {"dataset_configs": {"datasets": {"datasets": [{"dataset": {"enabled": True, "id": DATASET}}]}}},
            ["start", "knowledge-retrieval", "llm", "answer"],
        ),
        ("agent-chat", {}, ["start", "agent", "answer"]),
    ],
)
def test_an_app_is_a_chain_of_nodes(mode: str, config: Any, nodes: list[str]) -> None:
    document = read(mode, **config)

    assert document.mode == mode
    assert [node.type for node in document.nodes] == nodes
    assert [edge.target for edge in document.edges] == [node.id for node in document.nodes[1:]]


def test_datasets_of_old_files_stand_among_the_tools_and_are_taken_once() -> None:
    old = {
        "enabled": True,
        "tools": [{"dataset": {"enabled": True, "id": OTHER}}, {"dataset": {"enabled": False, "id": "gone"}}],
    }
    listed = {"datasets": {"datasets": [{"dataset": {"enabled": True, "id": each}} for each in (DATASET, OTHER)]}}

    document = read("chat", version="0.1.0", agent_mode=old, dataset_configs=listed)

    assert data(document, "knowledge-retrieval")["dataset_ids"] == [DATASET, OTHER]


@pytest.mark.parametrize("switch", [{}, {"enabled": False}, {"enabled": None}])
def test_a_dataset_counts_only_if_it_is_switched_on(switch: Any) -> None:
    listed = {"datasets": {"datasets": [{"dataset": {**switch, "id": DATASET}}]}}
    old = {**switch, "tools": [{"dataset": {"enabled": True, "id": OTHER}}]}

    document = read("chat", agent_mode=old, dataset_configs=listed)

    assert [node.type for node in document.nodes] == ["start", "llm", "answer"]


@pytest.mark.parametrize(
    ("settings", "ranking"),
    [
        ({"reranking_enable": False}, (True, "reranking_model")),
        ({"reranking_enable": True, "reranking_enabled": False}, (False, "reranking_model")),
        ({"reranking_mode": "weighted_score", "weights": {"a": 1}}, (True, "weighted_score")),
        ({"reranking_mode": "weighted_score", "weights": None}, (True, "reranking_model")),
    ],
)
def test_several_datasets_are_ranked_whatever_the_key_in_the_file_says(settings: Any, ranking: Any) -> None:
    listed = {"datasets": {"datasets": [{"dataset": {"enabled": True, "id": each}} for each in (DATASET, OTHER)]}}

    document = read("chat", dataset_configs={**listed, **settings})

    given = data(document, "knowledge-retrieval")["multiple_retrieval_config"]
    assert (given["reranking_enable"], given["reranking_mode"]) == ranking


def test_datasets_of_an_agent_are_its_last_tools() -> None:
    tool = {"enabled": True, "provider_type": "builtin", "provider_id": "time", "tool_name": "weekday"}
    mode = {"enabled": True, "strategy": "react", "tools": [{"dataset": {"enabled": True, "id": DATASET}}, tool]}

    tools = data(read("agent-chat", agent_mode=mode), "agent")["agent_parameters"]["tools"]["value"]

    assert [entry["tool_name"] for entry in tools] == ["weekday", f"dataset_{DATASET.replace('-', '_')}"]


@pytest.mark.parametrize(
    ("agent_mode", "strategy"),
    [
        (None, "function_call"),
        ({"enabled": True, "strategy": "cot"}, "react"),
        ({"enabled": True, "strategy": "react"}, "react"),
        ({"enabled": True, "strategy": "function_call"}, "function_call"),
        ({"enabled": True, "strategy": "何か"}, "function_call"),
    ],
)
def test_the_strategy_of_an_agent(agent_mode: Any, strategy: str) -> None:
    assert data(read("agent-chat", agent_mode=agent_mode), "agent")["agent_strategy_name"] == strategy


@pytest.mark.parametrize("strategy", ["router", "react_router", ""])
def test_an_agent_without_a_strategy_is_told_to_fail(strategy: str) -> None:
    told = problems(file("agent-chat", agent_mode={"enabled": True, "strategy": strategy}))

    assert told == [
        "warning: model_config.agent_mode.strategy: is missing (choose a strategy: 'function_call' or 'react'; without "
        "one every question fails)"
    ]


@pytest.mark.parametrize(("kind", "sent"), [("simple", {"top_p": 1}), ("advanced", {"stop": ["x"], "top_p": 1})])
def test_stops_are_sent_with_advanced_prompts_only(kind: str, sent: Any) -> None:
    assert data(read("chat", prompt_type=kind), "llm")["model"]["completion_params"] == sent


def test_pictures_of_old_files_count_where_there_is_no_other_switch() -> None:
    image = {"enabled": True, "number_limits": 2, "detail": "low", "transfer_methods": ["local_file"]}

    old, off = read("chat", file_upload={"image": image}), read("chat", file_upload={"enabled": False, "image": image})

    assert data(old, "llm")["vision"]["enabled"] is True
    assert old.features["file_upload"]["number_limits"] == 2
    assert data(off, "llm")["vision"]["enabled"] is False


def test_defaults_of_the_form_are_not_applied_and_inputs_of_conditions_are_found() -> None:
    form = [{"text-input": {"label": "X", "variable": "topic", "default": "d", "required": False}}]
    conditions = {"conditions": [{"name": "topic", "comparison_operator": "is", "value": "{{topic}}"}]}
    configs = {
        "datasets": {"datasets": [{"dataset": {"enabled": True, "id": DATASET}}]},
        "metadata_filtering_mode": "manual",
        "metadata_filtering_conditions": conditions,
    }

    document = read("chat", user_input_form=form, dataset_configs=configs)

    assert data(document, "start")["variables"][0]["default"] is None
    found = data(document, "knowledge-retrieval")["metadata_filtering_conditions"]
    assert found["conditions"][0]["value"] == "{{#start.topic#}}"


def test_what_a_newer_file_has_besides_is_named() -> None:
    told = problems(file("chat", version="0.7.0", 未来={"enabled": True}))

    assert any("model_config.未来" in problem for problem in told)
    assert not any("model_config.model" in problem for problem in told)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"agent_mode": "x"}, "model_config.agent_mode: is 'x', not a mapping"),
        ({"user_input_form": [{"text-input": 1}]}, "model_config.user_input_form[0].text-input: is 1, not a mapping"),
        ({"dataset_configs": {"datasets": []}}, "model_config.dataset_configs.datasets: is a list, not a mapping"),
        ({"pre_prompt": []}, "model_config.pre_prompt: is a list, not a text"),
        (
            {"model": {"provider": "openai", "name": "m", "mode": "chat", "completion_params": "速い"}},
            "model_config.model.completion_params: is '速い', not a mapping",
        ),
    ],
)
def test_what_is_of_the_wrong_shape_is_told_with_its_place(config: Any, problem: str) -> None:
    told = [*problems(file("chat", **config)), *problems(file("agent-chat", **config))]

    assert any(each.startswith(problem) for each in told)
