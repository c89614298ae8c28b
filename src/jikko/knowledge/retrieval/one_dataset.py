"""Search in one dataset. Source: docs/dify-behaviour.md, “Searching one dataset”."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from jikko.concurrency.background_tasks import end_tasks
from jikko.errors import JikkoError
from jikko.knowledge.metadata import in_order
from jikko.knowledge.retrieval.external_search import ExternalKnowledge
from jikko.knowledge.retrieval.metadata_conditions import meets
from jikko.knowledge.retrieval.ranking import Candidate, at_least, best_first, merged, weighted
from jikko.knowledge.retrieval.retrieval_model import Reranking, RetrievalModel
from jikko.knowledge.texts.words import cutter, query_keywords, query_words
from jikko.ports.knowledge import FoundChild, Hit, MetadataFilter, SearchFailure
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder, EmbeddingRequest, Reranker, RerankRequest
from jikko.ports.stores.knowledge_records import Dataset, Document
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from jikko.repositories.knowledge.segment_repository import Found, Visible


class Query(Struct, eq=False):
    """One query text, with its vectors."""

    text: str
    _embedder: Embedder
    app_id: str = ""
    run_id: str = ""
    _vectors: dict[str, asyncio.Task[bytes]] = {}

    async def vector(self, made_by: str) -> bytes:
        """Return its vector by a model (``embedder_name``): 32-bit floats. Raises ``ModelFailure``."""
        task = self._vectors.get(made_by)
        if task is None:
            task = self._vectors[made_by] = asyncio.create_task(self._embed(made_by))
        return await task

    async def _embed(self, made_by: str) -> bytes:
        provider, _, model = made_by.partition("|")
        answer = await self._embedder.embed(
            EmbeddingRequest(
                provider=provider,
                model=model,
                texts=(self.text,),
                purpose="query",
                app_id=self.app_id,
                run_id=self.run_id,
            )
        )
        return answer.vectors[0].tobytes()

    async def aclose(self) -> None:
        """Cancel requests that nobody awaits any more."""
        await end_tasks(self._vectors.values())


MAX_FOUND: Final = 100
"""Maximum results of one search, whatever ``top_k`` is."""
_MAX_RANKED: Final = 1_000
"""Maximum texts per request to a reranking model."""
_MAX_SCANNED: Final = 500
"""Documents filtered per turn of the event loop: some milliseconds."""


class Searched(NamedTuple):
    """A dataset, and its documents to search."""

    dataset: Dataset
    documents: list[Document]


class DatasetSearch:
    def __init__(self, reranker: Reranker, external: ExternalKnowledge) -> None:
        self._reranker = reranker
        self._external = external

    async def search(
        self,
        stores: KnowledgeStores,
        dataset: Dataset,
        query: Query,
        model: RetrievalModel,
        conditions: MetadataFilter | None,
    ) -> list[Candidate]:
        """Return a dataset's results, best first. Raises ``SearchFailure`` if a required part failed."""
        try:
            return await self._search(stores, dataset, query, model, conditions)
        except ModelFailure as failure:
            raise SearchFailure(str(failure), kind=failure.kind) from None
        except JikkoError as error:
            raise SearchFailure(str(error), kind=type(error).__name__) from None

    async def _search(
        self,
        stores: KnowledgeStores,
        dataset: Dataset,
        query: Query,
        model: RetrievalModel,
        conditions: MetadataFilter | None,
    ) -> list[Candidate]:
        if dataset.provider == "external":
            api = await stores.datasets.external_api(dataset.external_api_id or "")
            if api is None:
                return []
            return await self._external.search(api, dataset, query.text, conditions, query.app_id)
        model = replace(model, top_k=min(model.top_k, MAX_FOUND))
        documents = await stores.segments.visible(dataset.id)
        if conditions is not None:
            documents = await _matching(documents, conditions)
        searched = Searched(dataset, documents)
        if dataset.technique != "high_quality" or model.method == "keyword_search":
            return await self._by_keywords(stores, searched, query, model.top_k)
        match model.method:
            case "full_text_search":
                found = await self._by_words(stores, searched, query, model.top_k)
                return await self._reranked(query, found, model)
            case "hybrid_search":
                near, worded = await asyncio.gather(
                    self._by_vectors(stores, searched, query, model.top_k),
                    self._by_words(stores, searched, query, model.top_k),
                )
                return await self._hybrid(query, merged(near, worded), model)
            case _:
                found = await self._by_vectors(stores, searched, query, model.top_k)
                if self._usable(model.reranking) is None:
                    # Negative similarities do not count.
                    return at_least(found, model.threshold or 0.0)
                return await self._reranked(query, found, model)

    async def _hybrid(self, query: Query, found: list[Candidate], model: RetrievalModel) -> list[Candidate]:
        ranking = model.reranking
        if ranking is not None and ranking.mode == "weighted_score":
            if ranking.weights is not None:
                cut = await asyncio.to_thread(cutter)
                ranked = weighted(query.text, found, ranking.weights.vector, ranking.weights.keyword, cut)
                return at_least(ranked, model.threshold or None)[: model.top_k]
        elif self._usable(ranking) is not None:
            return await self._reranked(query, found, model)
        return at_least(best_first(found), model.threshold)

    async def _reranked(self, query: Query, found: list[Candidate], model: RetrievalModel) -> list[Candidate]:
        ranking = self._usable(model.reranking)
        if ranking is None:
            return found
        return await self.rerank(query, found, ranking.provider, ranking.model, model.top_k, model.threshold)

    def _usable(self, ranking: Reranking | None) -> Reranking | None:
        """Return the reranking, if its model can be called."""
        if ranking is None or ranking.mode == "weighted_score" or not ranking.provider or not ranking.model:
            return None
        return ranking if self._reranker.is_ready(ranking.provider) else None

    async def rerank(
        self, query: Query, found: Sequence[Candidate], provider: str, model: str, top_n: int, threshold: float | None
    ) -> list[Candidate]:
        """Rerank candidates by a model, at most ``top_n``. Raises ``ModelFailure`` if it fails."""
        if not found or top_n <= 0 or not self._reranker.is_ready(provider):
            return list(found)
        shown = found[:_MAX_RANKED]
        ranked = await self._reranker.rerank(
            RerankRequest(
                provider=provider,
                model=model,
                query=query.text,
                texts=[each.text for each in shown],
                top_n=min(top_n, len(shown)),
                app_id=query.app_id,
                run_id=query.run_id,
            )
        )
        scored = [shown[each.place]._replace(score=each.score) for each in ranked]
        return at_least(best_first(scored), threshold)[:top_n]

    async def _by_keywords(self, stores: KnowledgeStores, searched: Searched, query: Query, k: int) -> list[Candidate]:
        cut = await asyncio.to_thread(cutter)
        found = await stores.segments.search_keywords(
            searched.dataset.id, query_keywords(query.text, cut), _visible(searched.documents), k
        )
        # The number of keywords is not a score.
        return await _candidates(stores, searched, [each._replace(score=0.0) for each in found])

    async def _by_vectors(self, stores: KnowledgeStores, searched: Searched, query: Query, k: int) -> list[Candidate]:
        found: list[Found] = []
        by_model: defaultdict[str, list[Document]] = defaultdict(list)
        for document in searched.documents:
            if document.embedded_by:
                by_model[document.embedded_by].append(document)
        for made_by, documents in by_model.items():
            vector = await query.vector(made_by)
            found += await stores.segments.search_vectors(searched.dataset.id, vector, _visible(documents), k)
        # There may be several models while the dataset migrates to another one.
        best = sorted(found, key=lambda each: -each.score)[: max(0, k)] if len(by_model) > 1 else found
        return await _candidates(stores, searched, best)

    async def _by_words(self, stores: KnowledgeStores, searched: Searched, query: Query, k: int) -> list[Candidate]:
        cut = await asyncio.to_thread(cutter)
        found = await stores.segments.search_words(
            searched.dataset.id, query_words(query.text, cut), _visible(searched.documents), k
        )
        if not found:
            return []
        # Full-text matches get the score of their vector, which makes them comparable with vector matches. (Dify's is a
        # rank of words, which is not.)
        scores: dict[str, float] = {}
        embedded = {each.embedded_by for each in searched.documents if each.embedded_by}
        for made_by in embedded:
            scores |= await stores.segments.scores(
                made_by, await query.vector(made_by), [each.segment_id for each in found]
            )
        ranked = [each._replace(score=scores.get(each.segment_id, 0.0)) for each in found]
        return await _candidates(stores, searched, ranked)


async def _matching(documents: Sequence[Document], conditions: MetadataFilter) -> list[Document]:
    found: list[Document] = []
    for start in range(0, len(documents), _MAX_SCANNED):
        if start:
            # Yield to others.
            await asyncio.sleep(0)
        found += [each for each in documents[start : start + _MAX_SCANNED] if meets(each.metadata, conditions)]
    return found


def _visible(documents: Sequence[Document]) -> list[Visible]:
    return [Visible(each.id, each.version, each.index_version) for each in documents]


async def _candidates(stores: KnowledgeStores, searched: Searched, found: Sequence[Found]) -> list[Candidate]:
    segments = await stores.segments.segments({each.segment_id for each in found})
    documents = {each.id: each for each in searched.documents}
    wanted = {each.child_id for each in found if each.child_id is not None}
    children = await stores.segments.children({each.segment_id for each in found}) if wanted else {}
    chunks = {child.id: child for listed in children.values() for child in listed if child.id in wanted}
    candidates = []
    for each in found:
        segment = segments.get(each.segment_id)
        document = None if segment is None else documents.get(segment.document_id)
        if segment is None or document is None:
            continue
        chunk = None if each.child_id is None else chunks.get(each.child_id)
        if each.child_id is not None and chunk is None:
            continue
        hit = Hit(
            dataset_id=searched.dataset.id,
            dataset_name=searched.dataset.name,
            document_id=document.id,
            document_name=document.name,
            segment_id=segment.id,
            content=segment.content,
            answer=segment.answer if document.form == "qa_model" else None,
            score=each.score,
            words=segment.words,
            position=segment.position,
            hash=segment.hash,
            hits=segment.hits,
            metadata=in_order(document.metadata),
        )
        found_by = None if chunk is None else FoundChild(chunk.id, chunk.content, chunk.position, each.score)
        candidates.append(Candidate(hit, found_by, each.score))
    return candidates
