"""Ranks texts without a model, to try workflows."""

from jikko.ports.rerank import Ranked, RerankRequest


class FakeReranker:
    """A ``Reranker`` that likes texts by the share of the query's words that they have."""

    def is_ready(self, provider: str) -> bool:
        return True

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        words = set(request.query.lower().split())
        scored = (
            Ranked(place, len(words & set(text.lower().split())) / len(words) if words else 0.0)
            for place, text in enumerate(request.texts)
        )
        return sorted(scored, key=lambda each: (-each.score, each.place))[: request.top_n]
