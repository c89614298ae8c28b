"""Passages of knowledge that an answer is based on. Source: Dify 1.15, spec/knowledge.md §5.1."""

from jikko.values import Json, Unset


def cited_sources(context: Json | Unset) -> tuple[dict[str, Json], ...]:
    """What stands in the context of a prompt and was found in datasets, in Dify's form of ``retriever_resources``."""
    if not isinstance(context, list):
        return ()
    return tuple(_resource(each) for each in context if _is_found(each))


def _is_found(element: Json) -> bool:
    if not isinstance(element, dict) or not isinstance(element.get("metadata"), dict):
        return False
    return bool(element["metadata"].get("_source") == "knowledge")


def _resource(element: dict[str, Json]) -> dict[str, Json]:
    source = element["metadata"]
    return {
        "position": source.get("position"),
        "dataset_id": source.get("dataset_id"),
        "dataset_name": source.get("dataset_name"),
        "document_id": source.get("document_id"),
        "document_name": source.get("document_name"),
        "data_source_type": source.get("data_source_type"),
        "segment_id": source.get("segment_id"),
        "retriever_from": source.get("retriever_from"),
        "score": source.get("score"),
        "hit_count": source.get("segment_hit_count"),
        "word_count": source.get("segment_word_count"),
        "segment_position": source.get("segment_position"),
        "index_node_hash": source.get("segment_index_node_hash"),
        "content": element.get("content"),
        "page": source.get("page"),
        "doc_metadata": source.get("doc_metadata"),
        "title": source.get("title"),
        "files": element.get("files"),
        "summary": element.get("summary"),
    }
