"""Retrieval model, as sent and stored. Source: docs/dify-behaviour.md, “Searching one dataset”."""

from typing import Any, Final

from msgspec import Struct

from jikko.errors import InvalidParam
from jikko.knowledge.retrieval.metadata_conditions import problems_of
from jikko.values import Json

METHODS: Final = ("semantic_search", "full_text_search", "hybrid_search", "keyword_search")
MODES: Final = ("reranking_model", "weighted_score")
SHOWN_DEFAULT: Final[dict[str, Json]] = {
    "search_method": "semantic_search",
    "reranking_enable": False,
    "reranking_mode": None,
    "reranking_model": {"reranking_provider_name": "", "reranking_model_name": ""},
    "weights": None,
    "top_k": 2,
    "score_threshold_enabled": False,
    "score_threshold": None,
}
"""Displayed for a dataset without one, which is searched with ``top_k`` 4 all the same. (Dify)"""
FIRST_DEFAULT: Final = {**SHOWN_DEFAULT, "top_k": 4}
"""That of a dataset whose technique is chosen by its first document, with vectors. (Dify)"""
WEIGHT_TYPES: Final = ("semantic_first", "keyword_first", "customized")


class Weights(Struct, frozen=True):
    """Weights of a hit's two scores."""

    vector: float
    keyword: float


class Reranking(Struct, frozen=True):
    mode: str
    """``reranking_model`` or ``weighted_score``."""
    provider: str = ""
    model: str = ""
    weights: Weights | None = None


class RetrievalModel(Struct, frozen=True):
    """Search settings of one dataset."""

    method: str = "semantic_search"
    top_k: int = 4
    threshold: float | None = None
    """``None``: disabled."""
    reranking: Reranking | None = None
    """``None``: disabled. Hybrid search uses the weights even then."""
    conditions: Json = None
    """Metadata conditions of a request."""


def retrieval_model_of(kept: dict[str, Any] | None) -> RetrievalModel:
    """Decode a stored retrieval model; ``None``: the default one."""
    if not kept:
        return RetrievalModel()
    mode = kept.get("reranking_mode")
    named = kept.get("reranking_model") or {}
    weights = weights_of(kept.get("weights"))
    reranking = None
    if kept.get("reranking_enable") or (mode == "weighted_score" and weights is not None):
        reranking = Reranking(
            mode or "reranking_model",
            named.get("reranking_provider_name") or "",
            named.get("reranking_model_name") or "",
            weights,
        )
    threshold = kept.get("score_threshold") if kept.get("score_threshold_enabled") else None
    return RetrievalModel(
        kept["search_method"], kept["top_k"], threshold, reranking, kept.get("metadata_filtering_conditions")
    )


def weights_of(given: Any) -> Weights | None:
    """Parse weights, if they are complete."""
    try:
        vector = given["vector_setting"]["vector_weight"]
        keyword = given["keyword_setting"]["keyword_weight"]
        return Weights(float(vector), float(keyword))
    except (TypeError, KeyError, ValueError, OverflowError):
        return None


def checked_retrieval_model(given: Any) -> dict[str, Json]:
    """Validate a retrieval model for storage. Raises ``InvalidParam`` with all problems."""
    if not isinstance(given, dict):
        raise InvalidParam("retrieval_model: must be an object")
    problems = []
    if given.get("search_method") not in METHODS:
        problems.append(f"retrieval_model.search_method: must be one of {', '.join(METHODS)}")
    problems += [
        f"retrieval_model.{name}: is required and must be true or false"
        for name in ("reranking_enable", "score_threshold_enabled")
        if not isinstance(given.get(name), bool)
    ]
    if not _is_whole(given.get("top_k")):
        problems.append("retrieval_model.top_k: is required and must be a whole number")
    mode, threshold = given.get("reranking_mode"), given.get("score_threshold")
    if mode is not None and not isinstance(mode, str):
        problems.append("retrieval_model.reranking_mode: must be a text")
    if threshold is not None and not _is_number(threshold):
        problems.append("retrieval_model.score_threshold: must be a number")
    named, weights = given.get("reranking_model"), given.get("weights")
    if named is not None and not _has_texts(named, "reranking_provider_name", "reranking_model_name"):
        problems.append("retrieval_model.reranking_model: has reranking_provider_name and reranking_model_name")
    if weights is not None and not _are_weights(weights):
        problems.append(
            "retrieval_model.weights: has vector_setting (vector_weight, embedding_provider_name, "
            f"embedding_model_name), keyword_setting (keyword_weight) and weight_type ({', '.join(WEIGHT_TYPES)})"
        )
    conditions = given.get("metadata_filtering_conditions")
    if conditions is not None and not isinstance(conditions, dict):
        problems.append("retrieval_model.metadata_filtering_conditions: must be an object")
    elif conditions is not None:
        problems += (f"retrieval_model.metadata_filtering_conditions{each}" for each in problems_of(conditions))
    if problems:
        raise InvalidParam("; ".join(problems))
    kept = {
        "search_method": given["search_method"],
        "reranking_enable": given["reranking_enable"],
        "reranking_mode": mode,
        "reranking_model": {
            name: (named or {}).get(name) for name in ("reranking_provider_name", "reranking_model_name")
        },
        "weights": _shown_weights(weights),
        "top_k": given["top_k"],
        "score_threshold_enabled": given["score_threshold_enabled"],
        "score_threshold": threshold,
    }
    return kept if conditions is None else {**kept, "metadata_filtering_conditions": conditions}


def _shown_weights(given: Any) -> Json:
    if given is None:
        return None
    vector, keyword = given.get("vector_setting") or {}, given.get("keyword_setting") or {}
    return {
        "weight_type": given.get("weight_type"),
        "keyword_setting": {"keyword_weight": keyword.get("keyword_weight")},
        "vector_setting": {
            name: vector.get(name) for name in ("vector_weight", "embedding_model_name", "embedding_provider_name")
        },
    }


def _are_weights(value: Any) -> bool:
    """Return whether weights are valid. Each part may be missing; incomplete ones have no effect. (Dify)"""
    if not isinstance(value, dict) or value.get("weight_type") not in (None, *WEIGHT_TYPES):
        return False
    vector, keyword = value.get("vector_setting"), value.get("keyword_setting")
    if vector is not None and not (isinstance(vector, dict) and _is_number(vector.get("vector_weight"))):
        return False
    names = ("embedding_provider_name", "embedding_model_name")
    if vector is not None and not all(isinstance(vector.get(name), str) for name in names):
        return False
    return keyword is None or (isinstance(keyword, dict) and _is_number(keyword.get("keyword_weight")))


def _has_texts(value: Any, *names: str) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str | None) for name in names)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 31


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e308
