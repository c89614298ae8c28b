"""What was found, as the node hands it on. Source: Dify 1.15, spec/knowledge.md §5."""

from collections.abc import Sequence

from jikko.ports.knowledge import Hit
from jikko.values import Json


def found_texts(hits: Sequence[Hit]) -> list[Json]:
    """The ``result`` of a node: objects with ``content``, ``title`` and ``metadata``, best first."""
    return [_found(hit, position) for position, hit in enumerate(hits, 1)]


def _found(hit: Hit, position: int) -> Json:
    metadata: Json = hit.metadata
    if hit.data_source_type == "external":
        metadata = {
            **(metadata or {}),
            "score": hit.score,
            "title": hit.document_name,
            "dataset_id": hit.dataset_id,
            "dataset_name": hit.dataset_name,
        }
    content = hit.content if hit.answer is None else f"question:{hit.content} \nanswer:{hit.answer}"
    return {
        "metadata": {
            "_source": "knowledge",
            "dataset_id": hit.dataset_id,
            "dataset_name": hit.dataset_name,
            "document_id": hit.document_id,
            "document_name": hit.document_name,
            "data_source_type": hit.data_source_type,
            "segment_id": hit.segment_id,
            "retriever_from": "workflow",
            "score": hit.score,
            "child_chunks": [
                {"id": child.id, "content": child.content, "position": child.position, "score": child.score}
                for child in hit.children
            ],
            "segment_hit_count": hit.hits,
            "segment_word_count": hit.words,
            "segment_position": hit.position or 0,
            "segment_index_node_hash": hit.hash,
            "doc_metadata": metadata,
            "position": position,
        },
        "title": hit.document_name,
        "files": None,
        "content": content,
        "summary": None,
    }
