"""Requests of the knowledge API, one after the other on one server, with their answers, line by line.

Usage: python -m tests.knowledge.transcript rewrites ``transcript.txt``; read the difference before committing it.

Ids are numbered as they come, and times are the number of the request in which something happened. Of an object that
was shown before, only the fields that changed are shown; null is left out.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from jikko.http.app import create_app
from tests.http.scene import api_of
from tests.knowledge.scene import BY_LINE, knowledge_at
from tests.runs.world import World

KEPT: Final = Path(__file__).with_suffix(".txt")
_BEGAN: Final = 1_700_000_000
_TREE: Final = {
    "mode": "hierarchical",
    "rules": {
        "pre_processing_rules": [{"id": "remove_extra_spaces", "enabled": True}],
        "segmentation": {"separator": "\n\n", "max_tokens": 200},
        "parent_mode": "paragraph",
        "subchunk_segmentation": {"separator": "\n", "max_tokens": 100},
    },
}
_VECTORS: Final = {
    **{"search_method": "semantic_search", "reranking_enable": False, "top_k": 2},
    **{"score_threshold_enabled": True, "score_threshold": 0.3},
}
_RERANKED: Final = {
    **_VECTORS,
    **{"reranking_enable": True, "reranking_mode": "reranking_model"},
    "reranking_model": {"reranking_provider_name": "ranker", "reranking_model_name": "short"},
}
_WEIGHTS: Final = {
    "vector_setting": {"vector_weight": 0.25, "embedding_provider_name": "words", "embedding_model_name": "w-1"},
    "keyword_setting": {"keyword_weight": 0.75},
}
_WEIGHTED: Final = {**_RERANKED, "reranking_mode": "weighted_score", "weights": _WEIGHTS}
_OPERATORS: Final = (
    *(("year", each, value) for each in ("=", "≠", "<", ">", "≤", "≥") for value in (2001, "2001")),
    *(("day", each, 5) for each in ("before", "after", "is", "is not")),
    *(("title", each, "猫") for each in ("contains", "not contains", "start with", "end with", "is", "is not")),
    *(("title", each, value) for each in ("in", "not in") for value in (["猫", "犬 猫"], "猫, 鳥")),
    *((name, each, None) for each in ("empty", "not empty") for name in ("title", "day", "nothing")),
)


def _rule(mode: str = "custom", **more: Any) -> dict[str, Any]:
    segmentation = {"separator": "。", "max_tokens": 50, "chunk_overlap": 0, **more}
    cleaning = [{"id": "remove_urls_emails", "enabled": True}, {"id": "remove_extra_spaces", "enabled": False}]
    return {"mode": mode, "rules": {"pre_processing_rules": cleaning, "segmentation": segmentation}}


def _whole_document(parent: str) -> dict[str, Any]:
    rules = _rule(max_tokens=0)["rules"]
    return {"mode": "hierarchical", "rules": {**rules, "parent_mode": parent}}


def _text(name: str, text: str, rule: Any = BY_LINE, **more: Any) -> dict[str, Any]:
    return {"name": name, "text": text, "process_rule": rule, **more}


def _retrieve(query: str, model: Any = None, **more: Any) -> tuple[str, str, Any]:
    return "POST", "/{1}/retrieve", {"query": query, **({"retrieval_model": model} if model else {}), **more}


def _filtered(*conditions: tuple[str, str, Any], joint: str = "and") -> tuple[str, str, Any]:
    listed = [{"name": name, "comparison_operator": operator, "value": value} for name, operator, value in conditions]
    filtered = {"logical_operator": joint, "conditions": listed}
    model = {**_VECTORS, "top_k": 9, "score_threshold_enabled": False, "metadata_filtering_conditions": filtered}
    return _retrieve("cats", model)


_STEPS: Final[Sequence[tuple[str, str, Any]]] = (
    (
        "POST",
        "",
        {"name": "百科 📚", "indexing_technique": "high_quality", "description": "動物", "retrieval_model": _VECTORS},
    ),
    ("POST", "", {"name": "安い", "indexing_technique": "economy", "permission": "all_team_members"}),
    ("POST", "", {"name": "安い"}),
    ("POST", "", {"name": ""}),
    ("POST", "", {"name": "x", "indexing_technique": "free"}),
    (
        "POST",
        "",
        {"name": "x", "embedding_model": "m", "embedding_model_provider": "nobody", "retrieval_model": _WEIGHTED},
    ),
    ("GET", "", None),
    ("GET", "?limit=1&page=2", None),
    ("GET", "?keyword=安", None),
    ("PATCH", "/{2}", {"description": "安価", "permission": "only_me", "retrieval_model": {**_VECTORS, "top_k": 7}}),
    ("PATCH", "/{2}", {"name": "百科 📚"}),
    ("GET", "/{2}", None),
    # Documents.
    (
        "POST",
        "/{1}/document/create-by-text",
        _text("猫.txt", "cats hunt mice\ncats sleep\ndogs bark", doc_language="日本語"),
    ),
    (
        "POST",
        "/{1}/document/create-by-text",
        _text("規則.txt", "one cat。 see http://a.test/x。two  dogs。" * 3, _rule()),
    ),
    ("POST", "/{1}/document/create-by-text", _text("自動.txt", "birds\t sing\n\n\n\n a@b.test", {"mode": "automatic"})),
    (
        "POST",
        "/{1}/document/create-by-text",
        _text("重.txt", "abcdefghij" * 12, _rule(max_tokens=60, chunk_overlap=10)),
    ),
    ("POST", "/{1}/document/create-by-text", _text("x", "y", _rule(max_tokens=49))),
    ("POST", "/{1}/document/create-by-text", _text("x", "y", _rule(max_tokens=None))),
    ("POST", "/{1}/document/create-by-text", _text("x", "y", _rule(chunk_overlap=-1))),
    *(
        ("POST", "/{1}/document/create-by-text", _text("x", "y", _rule(max_tokens=each)))
        for each in (0, True, 1 << 31, (1 << 31) + 1)
    ),
    *(
        ("POST", "/{1}/document/create-by-text", _text("x", "y", _whole_document(parent)))
        for parent in ("full-doc", "paragraph", "page")
    ),
    ("POST", "/{1}/document/create-by-text", _text("x", "y", {"mode": "odd"})),
    ("POST", "/{1}/document/create-by-text", _text("x", "y", _TREE)),
    ("POST", "/{2}/document/create-by-text", _text("語.txt", "猫は魚を食べる\n犬は骨を食べる")),
    ("INDEX", "", None),
    ("GET", "/{1}/documents", None),
    ("GET", "/{1}/documents?keyword=猫&limit=1", None),
    ("GET", "/{1}/documents?status=completed&page=2&limit=3", None),
    *(
        ("GET", f"/{{1}}/documents/{{{document}}}/segments", None)
        for document in ("猫.txt", "規則.txt", "自動.txt", "重.txt")
    ),
    ("GET", "/{2}/documents/{語.txt}/segments", None),
    ("GET", "/{1}/documents/{猫.txt}", None),
    ("GET", "/{1}/documents/{猫.txt}?metadata=only", None),
    # Segments.
    ("POST", "/{1}/documents/{猫.txt}/segments", {"segments": [{"content": "cows eat grass 牛", "keywords": ["牛"]}]}),
    ("POST", "/{1}/documents/{猫.txt}/segments", {"segments": [{"content": " "}]}),
    ("POST", "/{1}/documents/{猫.txt}/segments", {"segments": []}),
    (
        "POST",
        "/{2}/documents/{語.txt}/segments",
        {"segments": [{"content": "鳥は空を飛ぶ"}, {"content": "魚", "keywords": ["水"]}]},
    ),
    ("POST", "/{1}/documents/{猫.txt}/segments/{猫.txt 2}", {"segment": {"content": "cats nap all day"}}),
    ("POST", "/{1}/documents/{猫.txt}/segments/{猫.txt 2}", {"segment": {"enabled": False}}),
    ("POST", "/{1}/documents/{猫.txt}/segments/{猫.txt 2}", {"segment": {"content": "not while it is off"}}),
    _retrieve("cats nap"),
    ("POST", "/{1}/documents/{猫.txt}/segments/{猫.txt 2}", {"segment": {"enabled": True, "keywords": ["昼寝"]}}),
    (
        "POST",
        "/{2}/documents/{語.txt}/segments/{語.txt 1}",
        {"segment": {"content": "猫は魚を食べない", "answer": "x"}},
    ),
    ("DELETE", "/{1}/documents/{猫.txt}/segments/{猫.txt 3}", None),
    ("GET", "/{1}/documents/{猫.txt}/segments?limit=2&page=1", None),
    ("GET", "/{1}/documents/{猫.txt}/segments?keyword=nap&status=completed", None),
    ("GET", "/{1}/documents", None),
    # Questions and answers; parents and children.
    ("POST", "", {"name": "親子", "indexing_technique": "high_quality"}),
    (
        "POST",
        "/{3}/document/create-by-text",
        _text("木.txt", "Ada bakes.\nShe sings.\n\nBruno runs.", _TREE, doc_form="hierarchical_model"),
    ),
    ("INDEX", "", None),
    ("GET", "/{3}/documents/{木.txt}/segments", None),
    ("GET", "/{3}/documents/{木.txt}/segments/{木.txt 1}/child_chunks", None),
    ("POST", "/{3}/documents/{木.txt}/segments/{木.txt 1}/child_chunks", {"content": "Ada naps 😴"}),
    ("POST", "/{3}/documents/{木.txt}/segments/{木.txt 1}/child_chunks", {"content": ""}),
    ("GET", "/{3}/documents/{木.txt}/segments/{木.txt 1}/child_chunks?limit=2&page=2", None),
    ("GET", "/{3}/documents/{木.txt}/segments/{木.txt 1}/child_chunks?keyword=naps", None),
    (
        "POST",
        "/{3}/documents/{木.txt}/segments/{木.txt 2}",
        {"segment": {"content": "Bruno rests.\nHe eats.", "regenerate_child_chunks": True}},
    ),
    ("POST", "/{3}/documents/{木.txt}/segments/{木.txt 2}", {"segment": {"content": "Bruno rests."}}),
    ("POST", "/{3}/documents/{木.txt}/segments", {"segments": [{"content": "Cleo swims.\nAlone."}]}),
    ("POST", "/{3}/retrieve", {"query": "naps", "retrieval_model": {**_VECTORS, "score_threshold": 0.1}}),
    ("POST", "", {"name": "問答", "indexing_technique": "economy"}),
    ("POST", "/{4}/document/create-by-text", _text("問.txt", "何か", doc_form="qa_model")),
    ("INDEX", "", None),
    ("POST", "/{4}/documents/{問.txt}/segments", {"segments": [{"content": "猫は？", "answer": "動物"}]}),
    ("POST", "/{4}/documents/{問.txt}/segments", {"segments": [{"content": "猫は？", "answer": " "}]}),
    ("GET", "/{4}/documents/{問.txt}/segments", None),
    ("POST", "/{4}/retrieve", {"query": "猫"}),
    # Metadata.
    *(
        ("POST", "/{1}/metadata", {"name": n, "type": t})
        for n, t in (("year", "number"), ("day", "time"), ("title", "string"))
    ),
    ("POST", "/{1}/metadata", {"name": "year", "type": "string"}),
    ("POST", "/{1}/metadata", {"name": "uploader", "type": "string"}),
    ("POST", "/{1}/metadata", {"name": "x", "type": "list"}),
    ("METADATA", "猫.txt", {"year": 2001, "day": 5, "title": "猫"}),
    ("METADATA", "規則.txt", {"year": 2002, "day": 4, "title": "犬 猫"}),
    ("METADATA", "自動.txt", {"year": 2000, "title": "猫と鳥"}),
    *(_filtered(each) for each in _OPERATORS),
    _filtered(("year", "=", 2001), ("title", "end with", "猫")),
    _filtered(("year", "=", 2001), ("title", "end with", "猫"), joint="or"),
    _filtered(("year", "like", 1)),
    ("POST", "/{1}/metadata/built-in/enable", None),
    ("GET", "/{1}/documents/{猫.txt}?metadata=only", None),
    ("GET", "/{1}/metadata", None),
    ("GET", "/{1}/metadata/built-in", None),
    _filtered(("source", "is not", "x")),
    ("POST", "/{1}/metadata/built-in/odd", None),
    ("POST", "/{1}/metadata/built-in/disable", None),
    ("GET", "/{1}/documents/{猫.txt}?metadata=only", None),
    ("GET", "/{1}/metadata", None),
    # Searches.
    _retrieve("cats hunt"),
    _retrieve("cats hunt", {**_VECTORS, "score_threshold": 0.6}),
    _retrieve("cats hunt", {**_VECTORS, "search_method": "full_text_search", "top_k": 1}),
    _retrieve("cats hunt", {**_VECTORS, "search_method": "hybrid_search", "top_k": 1}),
    _filtered(("source", "is not", "x")),
    _retrieve("cats hunt", {**_RERANKED, "score_threshold": 0.06}),
    _retrieve("cats hunt", {**_WEIGHTED, "search_method": "hybrid_search"}),
    _retrieve("cats hunt", {**_VECTORS, "search_method": "keyword_search"}),
    _retrieve("cats hunt", {**_VECTORS, "search_method": "odd"}),
    _retrieve("", _VECTORS),
    _retrieve("x" * 251, _VECTORS),
    ("POST", "/{2}/retrieve", {"query": "猫と魚"}),
    ("POST", "/{2}/retrieve", {"query": "空", "retrieval_model": _VECTORS}),
    # States of documents.
    *(
        ("PATCH", f"/{{1}}/documents/status/{action}", {"document_ids": ["{猫.txt}"]})
        for action in ("disable", "disable", "archive", "disable", "un_archive", "enable", "odd")
    ),
    ("GET", "/{1}/documents/{猫.txt}", None),
    ("POST", "/{1}/documents/{猫.txt}/update-by-text", {"name": "猫二.txt", "text": "cats again\nand again"}),
    ("GET", "/{1}/documents?status=queuing", None),
    ("GET", "/{1}/documents/{猫.txt}", None),
    ("INDEX", "", None),
    ("GET", "/{1}/documents/{猫.txt}", None),
    ("GET", "/{1}/documents/{猫.txt}/segments", None),
    ("POST", "/{1}/documents/{猫.txt}/update-by-text", {"process_rule": _rule()}),
    ("POST", "/{1}/documents/{猫.txt}/update-by-text", {"name": "三"}),
    ("DELETE", "/{1}/documents/{重.txt}", None),
    ("DELETE", "/{1}/documents/{重.txt}", None),
    # Tags.
    ("POST", "/tags", {"name": "動物"}),
    ("POST", "/tags", {"name": "動物"}),
    ("POST", "/tags/binding", {"tag_ids": ["{tag 1}"], "target_id": "{1}"}),
    ("GET", "?tag_ids={tag 1}", None),
    ("GET", "/tags", None),
    ("PATCH", "/tags", {"tag_id": "{tag 1}", "name": "生物"}),
    ("GET", "/{1}/tags", None),
    ("POST", "/tags/unbinding", {"tag_ids": ["{tag 1}"], "target_id": "{1}"}),
    ("DELETE", "/tags", {"tag_id": "{tag 1}"}),
    ("GET", "/tags", None),
    ("DELETE", "/{2}", None),
    ("DELETE", "/{2}", None),
    ("GET", "", None),
)


class _Session:
    """Sends the requests, and knows the ids of what they made by short names."""

    def __init__(self, client: httpx.AsyncClient, index: Any) -> None:
        self._client, self._index = client, index
        self._names: dict[str, str] = {}
        """Ids by name: number of a dataset, name of a document, name and position of a segment."""
        self._fields: list[dict[str, Any]] = []
        self._numbers: dict[str, int] = {}
        self._seen: dict[str, dict[str, Any]] = {}
        self.step = 0

    async def answered(self, method: str, path: str, body: Any) -> str:
        self.step += 1
        if method == "INDEX":
            await self._index()
            return f"$ {self.step} everything is indexed"
        head = f"$ {self.step} {method} {path} {'' if body is None else json.dumps(body, ensure_ascii=False)}".rstrip()
        if method == "METADATA":
            values = [{**field, "value": body[field["name"]]} for field in self._fields if field["name"] in body]
            operation = {"document_id": self._names[path], "metadata_list": values}
            method, path, body = "POST", "/{1}/documents/metadata", {"operation_data": [operation]}
        content = None if body is None else self._filled(json.dumps(body)).encode()
        answer = await self._client.request(
            method, f"/v1/datasets{self._filled(path)}", content=content, headers={"Content-Type": "application/json"}
        )
        shown = f" {self._shown(answer.json())}" if answer.content else ""
        return f"{head}\n  {answer.status_code}{shown}"

    def _filled(self, text: str) -> str:
        def id_of(found: re.Match[str]) -> str:
            name = found[1].encode().decode("unicode_escape") if "\\u" in found[1] else found[1]
            return self._names.get(name, found[0])

        return re.sub(r"\{([^{}:]+)\}", id_of, text)

    def _shown(self, value: Any) -> str:
        self._learn(value)
        text = json.dumps(self._news(value), ensure_ascii=False, sort_keys=True)
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", self._number, text)
        text = re.sub(r'(?<=score": )[\d.]+', lambda found: f"{float(found[0]):.3f}", text)
        text = re.sub(r'(?<="batch": ")\d{10}\w{6}', "BATCH", text)
        return re.sub(rf"\b{_BEGAN // 1000}(\d{{3}})(\.0)?\b", lambda found: f"T{int(found[1])}", text)

    def _number(self, found: re.Match[str]) -> str:
        return f"#{self._numbers.setdefault(found[0], len(self._numbers) + 1)}"

    def _news(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._news(each) for each in value]
        if not isinstance(value, dict):
            return value
        seen = self._seen.setdefault(value["id"], {}) if "id" in value else {}
        news = {name: each for name, each in value.items() if name == "id" or seen.get(name) != each}
        seen |= value
        return {name: self._news(each) for name, each in news.items()}

    def _learn(self, value: Any) -> None:
        if not isinstance(value, dict):
            return
        listed = value.get("data")
        if "indexing_technique" in value and "provider" in value and value["id"] not in self._names.values():
            self._names[str(sum(name.isdigit() for name in self._names) + 1)] = value["id"]
        elif "document" in value and "batch" in value:
            self._names.setdefault(value["document"]["name"], value["document"]["id"])
        elif "type" in value and "name" in value and value["type"] != "knowledge":
            self._fields.append({"id": value["id"], "name": value["name"]})
        elif value.get("type") == "knowledge":
            self._names.setdefault("tag 1", value["id"])
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict) and "index_node_hash" in each:
                document = next(name for name, id_ in self._names.items() if id_ == each["document_id"])
                self._names.setdefault(f"{document} {each['position']}", each["id"])


async def transcript(folder: Path) -> str:
    """Return all lines. ``folder``: An empty one."""
    world = World()
    session: Any = None
    async with knowledge_at(folder / "k.db", clock=lambda: _BEGAN + (session.step if session else 0)) as knowledge:
        key, _ = await knowledge.keys.create()
        api = msgspec.structs.replace(api_of(world, world.process()), datasets=knowledge.stores, knowledge=knowledge)
        headers = {"Authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(create_app(api))
        async with httpx.AsyncClient(transport=transport, base_url="http://jikko", headers=headers) as client:
            session = _Session(client, knowledge.indexing.catch_up)
            lines = [await session.answered(*step) for step in _STEPS]
    return re.sub(r"(.)\1{30,}", lambda found: f"{found[1]}*{len(found[0])}", "\n".join([*lines, ""]))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        KEPT.write_text(asyncio.run(transcript(Path(name))), "utf-8")
