"""Search in one or several datasets, for nodes and the knowledge API.

Source: docs/dify-behaviour.md, “Searching one dataset”, “Searching several datasets”.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import aclosing, suppress

from msgspec.structs import replace

from jikko.dsl.encrypted_ids import DecryptionUnavailable, plain_id
from jikko.errors import JikkoError
from jikko.ids import is_uuid
from jikko.knowledge.retrieval.one_dataset import DatasetSearch, Query
from jikko.knowledge.retrieval.ranking import Candidate, at_least, best_first, hits_of, keyword_likeness, weighted
from jikko.knowledge.retrieval.retrieval_model import RetrievalModel, retrieval_model_of
from jikko.knowledge.texts.words import cutter
from jikko.ports.knowledge import (
    Hit,
    MergedRanking,
    MetadataFilter,
    SearchedDataset,
    SearchFailure,
    SearchRequest,
    SearchResult,
)
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder
from jikko.ports.stores.knowledge_records import Dataset
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores, OpenKnowledge

log = logging.getLogger(__name__)

_WRITE_HITS = 1.0
"""Delay of writing hit counts, in seconds."""


class Retrieval:
    """``KnowledgeSearch`` over the datasets of a data folder."""

    def __init__(self, knowledge: OpenKnowledge, one: DatasetSearch, embedder: Embedder) -> None:
        self._knowledge = knowledge
        self._one = one
        self._embedder = embedder
        self._hits: Counter[str] = Counter()
        self._writing: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Load the dictionary now if a dataset needs it: it blocks the process, which later would delay requests."""
        with suppress(JikkoError):
            stores = await self._knowledge.existing()
            if stores and any(each.technique == "economy" for each in await stores.datasets.all_datasets()):
                cutter()

    async def usable(self, ids: Sequence[str]) -> list[SearchedDataset]:
        stores = await self._knowledge.existing()
        if stores is None:
            return []
        return [_described(each) for each in await self._usable(stores, ids)]

    async def missing(self, ids: Collection[str]) -> list[str]:
        stores = await self._knowledge.existing()
        if stores is None:
            return list(ids)
        known = await _known(stores, list(ids))
        return [each for each in ids if each not in known]

    async def field_names(self, dataset_ids: Sequence[str]) -> list[str]:
        stores = await self._knowledge.existing()
        if stores is None:
            return []
        names: dict[str, None] = {}
        for dataset_id in dataset_ids:
            names |= dict.fromkeys(field.name for field, _ in await stores.documents.fields(dataset_id))
        return list(names)

    async def search(self, request: SearchRequest) -> SearchResult:
        stores = await self._knowledge.existing()
        if stores is None or not request.query:
            return SearchResult([])
        datasets = await self._usable(stores, request.dataset_ids)
        if not datasets:
            return SearchResult([])
        asked = Query(request.query, self._embedder, app_id=request.app_id, run_id=request.run_id)
        async with aclosing(asked) as query:
            if request.ranking is None:
                model = retrieval_model_of(datasets[0].retrieval_model)
                found = await self._one.search(stores, datasets[0], query, model, request.conditions)
            else:
                found = await self._together(stores, datasets, query, request.ranking, request.conditions)
        return SearchResult(hits_of(found))

    async def retrieve(
        self, dataset: Dataset, query: str, model: RetrievalModel, conditions: MetadataFilter | None
    ) -> list[Hit]:
        """Search one dataset with a retrieval model, to try it out. Raises ``SearchFailure`` if a part failed."""
        stores = await self._knowledge.made()
        async with aclosing(Query(query, self._embedder, app_id=f"dataset:{dataset.id}")) as asked:
            return hits_of(await self._one.search(stores, dataset, asked, model, conditions))

    def count_hits(self, hits: Sequence[Hit]) -> None:
        self._hits.update({hit.segment_id for hit in hits if hit.segment_id is not None})
        if self._hits and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_hits())

    async def close(self) -> None:
        """Write pending counts. Idempotent."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._save_hits()

    async def _write_hits(self) -> None:
        while self._hits:
            await asyncio.sleep(_WRITE_HITS)
            await self._save_hits()

    async def _save_hits(self) -> None:
        hits, self._hits = self._hits, Counter()
        # Some may be lost.
        with suppress(JikkoError):
            if hits and (stores := await self._knowledge.existing()) is not None:
                await stores.segments.add_hits(hits)

    async def _usable(self, stores: KnowledgeStores, ids: Sequence[str]) -> list[Dataset]:
        known = await _known(stores, ids)
        datasets = list({known[each].id: known[each] for each in ids if each in known}.values())
        counts = await stores.datasets.counts([each.id for each in datasets])
        return [
            each
            for each in datasets
            if each.provider == "external" or (each.id in counts and counts[each.id].available > 0)
        ]

    async def _together(
        self,
        stores: KnowledgeStores,
        datasets: Sequence[Dataset],
        query: Query,
        ranking: MergedRanking,
        conditions: MetadataFilter | None,
    ) -> list[Candidate]:
        _check_mixture(datasets, ranking)
        if ranking.top_k <= 0:
            return []

        async def one(dataset: Dataset) -> list[Candidate]:
            model = retrieval_model_of(dataset.retrieval_model)
            if dataset.technique == "economy":
                model = replace(model, top_k=ranking.top_k)
            return await self._one.search(stores, dataset, query, model, conditions)

        tasks = [asyncio.create_task(one(dataset)) for dataset in datasets]
        try:
            found = [each for listed in await asyncio.gather(*tasks) for each in listed]
        finally:
            for task in tasks:
                task.cancel()
        if ranking.enabled and len(datasets) > 1:
            return await self._ranked(query, found, ranking)
        return await _of_one_kind(datasets[-1], query, found, ranking)

    async def _ranked(self, query: Query, found: list[Candidate], ranking: MergedRanking) -> list[Candidate]:
        if ranking.mode == "weighted_score":
            cut = await asyncio.to_thread(cutter)
            ranked = weighted(query.text, found, ranking.vector_weight or 0.0, ranking.keyword_weight or 0.0, cut)
            return at_least(ranked, ranking.threshold or None)[: ranking.top_k]
        if not ranking.provider or not ranking.model:
            # As in Dify: neither truncated nor filtered.
            return best_first(found)
        try:
            return await self._one.rerank(
                query, found, ranking.provider, ranking.model, ranking.top_k, ranking.threshold
            )
        except ModelFailure as failure:
            raise SearchFailure(str(failure), kind=failure.kind) from None


async def _of_one_kind(
    last: Dataset, query: Query, found: Sequence[Candidate], ranking: MergedRanking
) -> list[Candidate]:
    if last.provider == "external":
        return best_first(found)[: ranking.top_k]
    if last.technique == "economy":
        cut = await asyncio.to_thread(cutter)
        likeness = keyword_likeness(query.text, [each.text for each in found], cut)
        scored = [each._replace(score=alike) for each, alike in zip(found, likeness, strict=True)]
        return best_first(scored)[: ranking.top_k]
    return best_first(at_least(found, ranking.threshold or 0.0))[: ranking.top_k]


def _check_mixture(datasets: Sequence[Dataset], ranking: MergedRanking) -> None:
    """Raises ``SearchFailure`` if these datasets cannot be searched together."""
    by_model = ranking.enabled and ranking.mode == "reranking_model"
    if len({_described(each).technique for each in datasets}) > 1 and not by_model:
        raise SearchFailure(
            "The datasets have different indexing technique (high quality, economy, external): what they have can only "
            "be put into one order by a reranking model.",
            kind="ValueError",
        )
    models = {(each.embedding_provider, each.embedding_model) for each in datasets if each.technique == "high_quality"}
    if len(models) > 1 and ranking.enabled and ranking.mode == "weighted_score":
        raise SearchFailure(
            "The datasets have different embedding models: their scores cannot be weighed against each other. Use a "
            "reranking model.",
            kind="ValueError",
        )


async def _known(stores: KnowledgeStores, ids: Sequence[str]) -> dict[str, Dataset]:
    """Return the datasets of ids in files. Raises ``SearchFailure``: ids are encrypted, and the library is missing."""
    known = await _named(stores, ids)
    unknown = [each for each in ids if each not in known and not is_uuid(each)]
    if not unknown or not (workspaces := await stores.datasets.workspaces()):
        return known
    plain: dict[str, str] = {}
    for text in unknown:
        for workspace in workspaces:
            try:
                meant = plain_id(text, workspace)
            except DecryptionUnavailable as error:
                raise SearchFailure(str(error), kind=type(error).__name__) from None
            if meant is not None:
                plain[text] = meant
    found = await _named(stores, list(plain.values()))
    return known | {text: found[meant] for text, meant in plain.items() if meant in found}


async def _named(stores: KnowledgeStores, ids: Sequence[str]) -> dict[str, Dataset]:
    """Return the datasets with these ids, or those they are mapped to."""
    found = await stores.datasets.datasets({each.lower() for each in ids})
    known = {each: found[each.lower()] for each in ids if each.lower() in found}
    if len(known) < len(set(ids)):
        aliases = await stores.datasets.aliases()
        mapped = {each: aliases[each] for each in ids if each not in known and each in aliases}
        targets = await stores.datasets.datasets(set(mapped.values()))
        known |= {each: targets[target] for each, target in mapped.items() if target in targets}
    return known


def _described(dataset: Dataset) -> SearchedDataset:
    technique = "external" if dataset.provider == "external" else (dataset.technique or "economy")
    return SearchedDataset(dataset.id, dataset.name, dataset.description, technique)
