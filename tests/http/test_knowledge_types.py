"""The knowledge API in process: a value of a wrong type is refused in whichever field of a body it stands."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.http.test_knowledge import client, dataset, document

pytestmark = pytest.mark.anyio
__all__ = ["client"]

TEXT: list[Any] = [7, 1.5, True, ["日本"], {"a": "x"}]
TEXTS: list[Any] = [7, "x", {"a": "x"}, [7], [["x"]], [None]]
NUMBER: list[Any] = ["多", [], {}, [1]]
WHOLE: list[Any] = [*NUMBER, 1.5]
SWITCH: list[Any] = [7, "perhaps", [], {}, 1.5]
OBJECT: list[Any] = [7, True, "x", ["x"]]
OBJECTS: list[Any] = [7, "x", {"a": {}}, [7], ["x"], [[]]]
WEIGHTS = {
    "weight_type": "customized",
    "vector_setting": {"vector_weight": 0.5, "embedding_provider_name": "p", "embedding_model_name": "m"},
    "keyword_setting": {"keyword_weight": 0.5},
}
CONDITIONS = {"logical_operator": "and", "conditions": [{"name": "年", "comparison_operator": "is", "value": "x"}]}
MODEL = {
    "search_method": "keyword_search",
    "reranking_enable": False,
    "reranking_mode": "weighted_score",
    "reranking_model": {"reranking_provider_name": "p", "reranking_model_name": "m"},
    "weights": WEIGHTS,
    "top_k": 2,
    "score_threshold_enabled": False,
    "score_threshold": 0.5,
}
OF_MODEL = {
    "": OBJECT,
    ".search_method": TEXT,
    ".reranking_enable": SWITCH,
    ".reranking_mode": TEXT,
    ".reranking_model": OBJECT,
    ".reranking_model.reranking_provider_name": TEXT,
    ".reranking_model.reranking_model_name": TEXT,
    ".weights": OBJECT,
    ".weights.weight_type": TEXT,
    ".weights.vector_setting": OBJECT,
    ".weights.vector_setting.vector_weight": NUMBER,
    ".weights.vector_setting.embedding_provider_name": TEXT,
    ".weights.vector_setting.embedding_model_name": TEXT,
    ".weights.keyword_setting": OBJECT,
    ".weights.keyword_setting.keyword_weight": NUMBER,
    ".top_k": WHOLE,
    ".score_threshold_enabled": SWITCH,
    ".score_threshold": NUMBER,
}
OF_CONDITIONS = {
    "": OBJECT,
    ".logical_operator": [*TEXT, "xor"],
    ".conditions": OBJECTS,
    ".conditions.0.name": TEXT,
    ".conditions.0.comparison_operator": [*TEXT, "like"],
    ".conditions.0.value": [{}, [7], [["x"]], {"a": "x"}],
}
RULE = {
    "mode": "hierarchical",
    "rules": {
        "pre_processing_rules": [{"id": "remove_extra_spaces", "enabled": True}],
        "segmentation": {"separator": "\n", "max_tokens": 100, "chunk_overlap": 0},
        "parent_mode": "paragraph",
        "subchunk_segmentation": {"separator": ".", "max_tokens": 100, "chunk_overlap": 0},
    },
}
OF_SEGMENTATION = {"": OBJECT, ".separator": TEXT, ".max_tokens": WHOLE, ".chunk_overlap": WHOLE}
OF_RULE = {
    "": OBJECT,
    ".mode": [*TEXT, "psychic"],
    ".rules": OBJECT,
    ".rules.pre_processing_rules": OBJECTS,
    ".rules.pre_processing_rules.0.id": TEXT,
    ".rules.pre_processing_rules.0.enabled": SWITCH,
    ".rules.parent_mode": TEXT,
    **{f".rules.segmentation{name}": wrong for name, wrong in OF_SEGMENTATION.items()},
    **{f".rules.subchunk_segmentation{name}": wrong for name, wrong in OF_SEGMENTATION.items()},
}


def within(name: str, wrong: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {f"{name}{more}": values for more, values in wrong.items()}


OF_DATASET = {
    "name": TEXT,
    "description": TEXT,
    "indexing_technique": [*TEXT, "cheap"],
    "permission": [*TEXT, "nobody"],
    "embedding_model": TEXT,
    "embedding_model_provider": TEXT,
    "external_knowledge_api_id": TEXT,
    "external_knowledge_id": TEXT,
    **within("retrieval_model", OF_MODEL),
}
EXTERNAL = {"top_k": 2, "score_threshold": 0.5, "score_threshold_enabled": True}
OF_DOCUMENT = {
    "name": TEXT,
    "text": TEXT,
    "indexing_technique": [*TEXT, "cheap"],
    "doc_form": [*TEXT, "poem"],
    "doc_language": TEXT,
    "embedding_model": TEXT,
    "embedding_model_provider": TEXT,
    **within("process_rule", OF_RULE),
    **within("retrieval_model", OF_MODEL),
}
BODIES: list[tuple[str, str, dict[str, Any], dict[str, list[Any]]]] = [
    ("POST", "", {"name": "別", "retrieval_model": MODEL}, {**OF_DATASET, "provider": TEXT, "id": TEXT}),
    ("PATCH", "/{d}", {"name": "別", "retrieval_model": MODEL}, OF_DATASET),
    (
        "POST",
        "/{d}/retrieve",
        {"query": "x", "retrieval_model": {**MODEL, "metadata_filtering_conditions": CONDITIONS}},
        {
            "query": TEXT,
            "attachment_ids": TEXTS,
            **within("retrieval_model", OF_MODEL),
            **within("retrieval_model.metadata_filtering_conditions", OF_CONDITIONS),
        },
    ),
    (
        "POST",
        "/{d}/document/create-by-text",
        {"name": "b.txt", "text": "x", "process_rule": RULE, "retrieval_model": MODEL},
        OF_DOCUMENT,
    ),
    (
        "POST",
        "/{d}/documents/{doc}/update-by-text",
        {"name": "a.txt", "text": "x", "process_rule": RULE},
        {"name": TEXT, "text": TEXT, "doc_form": TEXT, "doc_language": TEXT, **within("process_rule", OF_RULE)},
    ),
    ("PATCH", "/{d}/documents/status/enable", {"document_ids": []}, {"document_ids": TEXTS}),
    ("POST", "/{d}/documents/download-zip", {"document_ids": ["{doc}"]}, {"document_ids": TEXTS}),
    (
        "POST",
        "/{d}/documents/{doc}/segments/{seg}",
        {"segment": {"content": "x"}},
        {
            "segment": OBJECT,
            "segment.content": TEXT,
            "segment.answer": TEXT,
            "segment.keywords": TEXTS,
            "segment.enabled": SWITCH,
            "segment.regenerate_child_chunks": SWITCH,
        },
    ),
    ("POST", "/{d}/documents/{doc}/segments/{seg}/child_chunks", {"content": "x"}, {"content": TEXT}),
    ("PATCH", "/{d}/documents/{doc}/segments/{seg}/child_chunks/{child}", {"content": "x"}, {"content": TEXT}),
    ("POST", "/{d}/metadata", {"type": "string", "name": "月"}, {"type": [*TEXT, "colour"], "name": TEXT}),
    ("PATCH", "/{d}/metadata/{field}", {"name": "日"}, {"name": TEXT}),
    (
        "POST",
        "/{d}/documents/metadata",
        {
            "operation_data": [
                {
                    "document_id": "{doc}",
                    "metadata_list": [{"id": "{field}", "name": "年", "value": "x"}],
                    "partial_update": True,
                }
            ]
        },
        {
            "operation_data": OBJECTS,
            "operation_data.0.document_id": TEXT,
            "operation_data.0.metadata_list": OBJECTS,
            "operation_data.0.metadata_list.0.id": TEXT,
            "operation_data.0.metadata_list.0.name": TEXT,
            "operation_data.0.partial_update": SWITCH,
        },
    ),
    ("POST", "/tags", {"name": "t"}, {"name": TEXT}),
    ("PATCH", "/tags", {"tag_id": "{tag}", "name": "u"}, {"tag_id": TEXT, "name": TEXT}),
    ("POST", "/tags/binding", {"tag_ids": ["{tag}"], "target_id": "{d}"}, {"tag_ids": TEXTS, "target_id": TEXT}),
    (
        "POST",
        "/tags/unbinding",
        {"tag_ids": ["{tag}"], "target_id": "{d}"},
        {"tag_ids": TEXTS, "tag_id": TEXT, "target_id": TEXT},
    ),
    ("DELETE", "/tags", {"tag_id": "{tag}"}, {"tag_id": TEXT}),
]


def put(body: Any, path: str, value: Any) -> Any:
    """A body with a value in a place of it."""
    changed = copy.deepcopy(body)
    *way, last = path.split(".")
    inner = changed
    for step in way:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    inner[last] = value
    return changed


def filled(value: Any, ids: dict[str, str]) -> Any:
    """A body with ids for their names."""
    text = json.dumps(value)
    for name, id_ in ids.items():
        text = text.replace(f'"{{{name}}}"', json.dumps(id_))
    return json.loads(text)


async def ids_of(client: httpx.AsyncClient) -> dict[str, str]:
    own = await dataset(client)
    doc = await document(client, own)
    at = f"/v1/datasets/{own}"
    [segment, _] = (await client.get(f"{at}/documents/{doc}/segments")).json()["data"]
    child = await client.post(f"{at}/documents/{doc}/segments/{segment['id']}/child_chunks", json={"content": "one"})
    field = await client.post(f"{at}/metadata", json={"type": "string", "name": "年"})
    tag = await client.post("/v1/datasets/tags", json={"name": "s"})
    return {
        "d": own,
        "doc": doc,
        "seg": segment["id"],
        "child": child.json()["data"]["id"],
        "field": field.json()["id"],
        "tag": tag.json()["id"],
    }


@pytest.mark.parametrize(("method", "path", "body", "wrong"), BODIES, ids=[f"{row[0]} {row[1]}" for row in BODIES])
async def test_a_value_of_a_wrong_type_is_an_invalid_parameter(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], wrong: dict[str, list[Any]]
) -> None:
    ids = await ids_of(client)
    url = f"/v1/datasets{path}".format(**ids)

    def sent() -> Iterator[tuple[str, Any]]:
        for place, values in wrong.items():
            yield from ((f"{place} {value!r}", put(body, place, value)) for value in values)

    taken = [
        (what, answer.status_code, answer.text[:200])
        for what, given in sent()
        if (answer := await client.request(method, url, json=filled(given, ids))).status_code != 400
        or answer.json()["code"] != "invalid_param"
    ]

    assert taken == []
    right = await client.request(method, url, json=filled(body, ids))
    assert right.status_code < 300, right.text
