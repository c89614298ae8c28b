"""Datasets: loading chunks, and searching them by vectors, words and keywords.

Usage: python -m benchmarks.knowledge [--chunks N] [--dimensions N]

Vectors are random around 2,000 centres; the time of a model is not in the figures. The baseline of searches is numpy's
product of all vectors as 32-bit floats, in the same process.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from tests.knowledge.scene import BY_LINE, DirectedEmbedder, added, dataset_of, knowledge_at

from jikko.knowledge.retrieval.model import RetrievalModel
from jikko.ports.embeddings import EmbeddingRequest, Embeddings

PER_DOCUMENT = 1_000
SEARCHES = 40
TOP = 10


class Given(DirectedEmbedder):
    """Hands out vectors that are there: of chunks in their order, of the query what is asked for."""

    def __init__(self, vectors: Any) -> None:
        super().__init__(batch=500)
        self.vectors = vectors
        self.query = vectors[0]
        self._next = iter(vectors)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        if request.purpose == "query":
            return Embeddings(vectors=(array("f", self.query.tolist()),))
        return Embeddings(vectors=tuple(array("f", next(self._next).tolist()) for _ in request.texts))


def figure(name: str, value: float, unit: str, **more: Any) -> None:
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, **more}), flush=True)


async def main(chunks: int, dimensions: int) -> None:
    drawn = np.random.default_rng(1)
    centres = drawn.normal(size=(2_000, dimensions)).astype(np.float32)
    vectors = centres[drawn.integers(0, len(centres), chunks)]
    vectors = vectors + 0.7 * drawn.normal(size=vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chance = random.Random(1)
    words = [f"word{number}" for number in range(5_000)]
    embedder = Given(vectors)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "knowledge.db"
        async with knowledge_at(database, embedder) as knowledge:
            dataset = await dataset_of(knowledge)
            began, cpu = time.perf_counter(), time.process_time()
            for number in range(chunks // PER_DOCUMENT):
                text = "\n".join(" ".join(chance.choices(words, k=22)) for _ in range(PER_DOCUMENT))
                await added(knowledge, dataset, text, name=f"{number}.txt", rule=BY_LINE)
            await knowledge.indexing.catch_up()
            took, spent = time.perf_counter() - began, time.process_time() - cpu
            figure(f"{chunks:,} chunks into the record, CPU", chunks / spent, "/s", aim="5,000 /s")
            figure(f"{chunks:,} chunks into the record", chunks / took, "/s")
            figure("disk per chunk", database.stat().st_size / chunks / 1024, "KB", aim="4 KB")

            nearest = RetrievalModel("semantic_search", TOP)
            await knowledge.retrieval.retrieve(dataset, "first", nearest, None)
            plain: list[float] = []
            searched: list[float] = []
            found = 0.0
            for number in range(SEARCHES):
                query = vectors[chance.randrange(chunks)] + 0.05 * drawn.normal(size=dimensions).astype(np.float32)
                embedder.query = query / np.linalg.norm(query)
                started = time.process_time()
                best = np.sort(vectors @ embedder.query)[-TOP]
                plain.append(time.process_time() - started)
                started = time.process_time()
                hits = await knowledge.retrieval.retrieve(dataset, f"query {number}", nearest, None)
                searched.append(time.process_time() - started)
                found += sum(hit.score >= best - 1e-3 for hit in hits) / TOP
            baseline, value = (sorted(times)[SEARCHES // 2] * 1e3 for times in (plain, searched))
            name = f"search, {chunks:,} chunks of {dimensions:,} numbers, CPU p50"
            figure(name, value, "ms", baseline=round(baseline, 4), ratio=round(value / baseline, 2), aim="35 ms")
            figure("recall of the best 10", found / SEARCHES, "", aim="0.999")
            await _others(knowledge, dataset)


async def _others(knowledge: Any, dataset: Any) -> None:
    """Full text, and how long the event loop stands still while several search at once."""
    times = []
    for number in range(SEARCHES):
        started = time.perf_counter()
        model = RetrievalModel("full_text_search", TOP)
        await knowledge.retrieval.retrieve(dataset, f"word{number} word{number + 7}", model, None)
        times.append(time.perf_counter() - started)
    figure("search by two words, p50", sorted(times)[SEARCHES // 2] * 1e3, "ms")
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - started - 0.001)

    ticking = asyncio.create_task(tick())
    model = RetrievalModel("semantic_search", TOP)
    await asyncio.gather(*(knowledge.retrieval.retrieve(dataset, f"at once {n}", model, None) for n in range(8)))
    ticking.cancel()
    figure("8 searches at once: longest pause of the loop", longest * 1e3, "ms", aim="20 ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=1_024)
    given = parser.parse_args()
    asyncio.run(main(given.chunks, given.dimensions))
