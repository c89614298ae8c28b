"""Migration of old file formats."""

import copy
from typing import Any

import pytest

from jikko.dsl.repair import model_provider, repair_features, repair_node


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"type": "variable-assigner", "x": 1}, {"type": "variable-aggregator", "x": 1}, id="old name"),
        pytest.param({"type": "code", "error_strategy": "none"}, {"type": "code", "error_strategy": None}, id="none"),
        pytest.param(
            {"type": "llm", "model": {"provider": "openai", "name": "x"}, "_k": [1]},
            {"type": "llm", "model": {"provider": "openai", "name": "x"}, "_k": [1]},
            id="a bare model provider stays: records show it",
        ),
        pytest.param({"type": "llm", "model": None}, {"type": "llm", "model": None}, id="no model is left alone"),
        pytest.param(
            {
                "type": "parameter-extractor",
                "model": {"provider": "a/b/c"},
                "parameters": [{"type": "bool"}, {"type": "select", "options": ["a"]}, {"type": "number"}, 5],
                "reasoning_mode": "",
            },
            {
                "type": "parameter-extractor",
                "model": {"provider": "a/b/c"},
                "parameters": [{"type": "boolean"}, {"type": "string", "options": ["a"]}, {"type": "number"}, 5],
                "reasoning_mode": "function_call",
            },
            id="old parameter types",
        ),
        pytest.param(
            {
                "type": "knowledge-retrieval",
                "multiple_retrieval_config": {
                    "reranking_model": {"provider": "cohere"},
                    "weights": {"vector_setting": {"embedding_provider_name": "openai"}},
                },
                "single_retrieval_config": None,
                "metadata_model_config": {"provider": "tongyi"},
            },
            {
                "type": "knowledge-retrieval",
                "multiple_retrieval_config": {
                    "reranking_model": {"provider": "langgenius/cohere/cohere"},
                    "weights": {"vector_setting": {"embedding_provider_name": "langgenius/openai/openai"}},
                },
                "single_retrieval_config": None,
                "metadata_model_config": {"provider": "langgenius/tongyi/tongyi"},
            },
            id="all models of a retrieval",
        ),
        pytest.param(
            {"type": "http-request", "body": {"type": "json", "data": "{}"}},
            {
                "type": "http-request",
                "body": {"type": "json", "data": [{"key": "", "type": "text", "value": "{}"}]},
            },
            id="a body that is a text",
        ),
        pytest.param(
            {"type": "http-request", "body": {"type": "json", "data": ""}},
            {"type": "http-request", "body": {"type": "json", "data": []}},
            id="an empty body",
        ),
        pytest.param(
            {"type": "http-request", "body": {"type": "none", "data": [{"value": "x"}]}},
            {"type": "http-request", "body": {"type": "none", "data": []}},
            id="a body that is switched off",
        ),
        pytest.param({"type": "http-request"}, {"type": "http-request"}, id="retries are not switched on"),
        pytest.param(
            {"type": "iteration", "is_parallel": None, "parallel_nums": 0},
            {"type": "iteration", "is_parallel": False, "parallel_nums": 10, "error_handle_mode": "terminated"},
            id="defaults of an iteration",
        ),
        pytest.param(
            {"type": "end", "outputs": [{"variable": "a"}, {"value_type": "Array[String]"}]},
            {"type": "end", "outputs": [{"variable": "a", "value_type": "any"}, {"value_type": "array[string]"}]},
            id="types of outputs",
        ),
        pytest.param(
            {
                "type": "human-input",
                "delivery_methods": [
                    {"type": "webapp"},
                    {"config": {"recipients": {"whole_workspace": True, "items": [{"user_id": "u"}, {"email": "e"}]}}},
                ],
            },
            {
                "type": "human-input",
                "delivery_methods": [
                    {"type": "webapp"},
                    {
                        "config": {
                            "recipients": {
                                "include_bound_group": True,
                                "items": [{"reference_id": "u"}, {"email": "e"}],
                            }
                        }
                    },
                ],
            },
            id="recipients of a form",
        ),
        pytest.param({"type": 5, "x": 1}, {"type": 5, "x": 1}, id="what is no type is left alone"),
    ],
)
def test_an_old_shape_is_brought_to_the_form_of_today(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = copy.deepcopy(old)

    assert repair_node(old) == new
    assert old == before, "aliases share values, so none is changed in place"
    assert repair_node(new) == new, "repairing twice is repairing once"


@pytest.mark.parametrize(
    "kind", ["end", "http-request", "human-input", "iteration", "llm", "tool", "knowledge-retrieval"]
)
@pytest.mark.parametrize("junk", [None, 5, "x", [], [5], {}, {"model": 5}])
def test_no_shape_is_too_odd(kind: str, junk: Any) -> None:
    keys = ("model", "body", "outputs", "delivery_methods", "tool_configurations", "multiple_retrieval_config")

    repaired = repair_node({"type": kind, **dict.fromkeys(keys, junk)})

    assert repaired["type"] == kind


@pytest.mark.parametrize(
    ("bare", "model"),
    [
        ("openai", "langgenius/openai/openai"),
        ("google", "langgenius/gemini/google"),
        ("org/plugin/name", "org/plugin/name"),
        ("Not Bare", "Not Bare"),
        ("", ""),
    ],
)
def test_bare_provider_names_are_completed(bare: str, model: str) -> None:
    assert model_provider(bare) == model


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({}, {}, id="no features"),
        pytest.param({"file_upload": None}, {"file_upload": None}, id="no uploads"),
        pytest.param({"file_upload": {"image": {"enabled": False}}}, {"file_upload": {"image": {"enabled": False}}}),
        pytest.param(
            {"file_upload": {"image": {"enabled": True}}, "x": 1},
            {
                "x": 1,
                "file_upload": {
                    "enabled": True,
                    "number_limits": 3,
                    "allowed_file_types": ["image"],
                    "allowed_file_extensions": [],
                    "allowed_file_upload_methods": ["remote_url", "local_file"],
                },
            },
            id="the old image switch",
        ),
        pytest.param(
            {
                "file_upload": {
                    "image": {"enabled": True, "number_limits": 5, "transfer_methods": ["local_file"]},
                    "allowed_file_types": ["document"],
                    "enabled": False,
                }
            },
            {
                "file_upload": {
                    "enabled": True,
                    "number_limits": 5,
                    "allowed_file_types": ["document"],
                    "allowed_file_extensions": [],
                    "allowed_file_upload_methods": ["local_file"],
                }
            },
            id="with what it says",
        ),
    ],
)
def test_the_old_image_switch_becomes_the_general_form(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert repair_features(old) == new
