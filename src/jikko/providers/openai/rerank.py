"""Ranking texts over ``POST …/rerank``, as Jina and Cohere have it and many servers of models after them."""

from typing import Any

from jikko.ports.models import ModelFailure
from jikko.ports.rerank import Ranked, RerankRequest
from jikko.providers.sdk_errors import failure_of


async def rerank(client: Any, request: RerankRequest, model: str) -> list[Ranked]:
    """See ``Reranker.rerank``.

    Args:
        client: OpenAI's SDK, which brings address, key, time-outs and connections.
        model: What the provider calls it.
    """
    body = {"model": model, "query": request.query, "documents": list(request.texts), "top_n": request.top_n}
    try:
        answer = await client.post("/rerank", body=body, cast_to=object)
    except Exception as error:
        raise failure_of(error) from None
    return _ranked(answer, len(request.texts))


def _ranked(answer: Any, count: int) -> list[Ranked]:
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise _unreadable("it has no list of results")
    found: dict[int, float] = {}
    for result in results:
        index = result.get("index") if isinstance(result, dict) else None
        score = result.get("relevance_score") if isinstance(result, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
            raise _unreadable(f"a result has the index {index!r}, of {count} texts")
        if not isinstance(score, (int, float)) or isinstance(score, bool) or score != score:
            raise _unreadable(f"a result has the relevance_score {score!r}")
        found.setdefault(index, float(score))
    return sorted((Ranked(index, score) for index, score in found.items()), key=lambda each: (-each.score, each.place))


def _unreadable(why: str) -> ModelFailure:
    return ModelFailure(f"The provider's answer cannot be used: {why}.", kind="InvokeBadRequestError")
