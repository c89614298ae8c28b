"""Datasets: loading chunks, and searching them by vectors, words and keywords.

Usage: python -m benchmarks.knowledge [--chunks N] [--dimensions N]

Vectors are random around 2,000 centres; the time of a model is not in the figures. The baseline of searches is numpy's
product of all vectors as 32-bit floats, in the same process.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import sqlite3
import tempfile
import time
from array import array
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tests.knowledge.scene import BY_LINE, DirectedEmbedder, added, dataset_of, knowledge_at

from benchmarks.sizes import sized
from jikko.knowledge.retrieval.retrieval_model import RetrievalModel
from jikko.ports.other_models import EmbeddingRequest, Embeddings

PER_DOCUMENT = sized(1_000, 50)
SEARCHES = sized(40, 4)
TOP = 10


class Given(DirectedEmbedder):
    """Hands out vectors that are there: of chunks in their order, of the query what is asked for."""

    def __init__(self, vectors: Any) -> None:
        super().__init__(batch=128)
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
            bare = _bare(Path(folder) / "bare.db", vectors, words, chance)
            # As a server does once it is up.
            gc.set_threshold(50_000, 20, 50)
            gc.freeze()
            pauses: list[float] = []
            ticking = asyncio.create_task(_tick(pauses))
            await knowledge.indexing.catch_up()
            ticking.cancel()
            took, spent = time.perf_counter() - began, time.process_time() - cpu
            figure(
                f"{chunks:,} chunks into the record, CPU",
                chunks / spent,
                "/s",
                baseline=round(bare.per_second),
                ratio=round(chunks / spent / bare.per_second, 3),
                aim="5,000 /s",
            )
            figure(f"{chunks:,} chunks into the record", chunks / took, "/s")
            size = database.stat().st_size / chunks / 1024
            figure("disk per chunk", size, "KB", baseline=round(bare.kilobytes, 2), aim="4 KB")
            figure("longest work between two turns of the loop, CPU", max(pauses) * 1e3, "ms", aim="20 ms")
            before = _resident()

            nearest = RetrievalModel("semantic_search", TOP)
            await knowledge.retrieval.retrieve(dataset, "first", nearest, None)
            held, aim = _resident() - before, "140 MB of 100,000 chunks of 1,024 numbers"
            figure("memory of a searched dataset", held, "MB", baseline=round(vectors.nbytes / 1e6, 1), aim=aim)
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


class Bare(NamedTuple):
    """The same texts and vectors in a table without anything else."""

    per_second: float
    """Rows for each second of the processor."""
    kilobytes: float
    """Of a row."""


def _bare(path: Path, vectors: Any, words: list[str], chance: random.Random) -> Bare:
    began = time.process_time()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE chunk (content TEXT, vector BLOB)")
        for start in range(0, len(vectors), 500):
            rows = [(" ".join(chance.choices(words, k=22)), row.tobytes()) for row in vectors[start : start + 500]]
            with connection:
                connection.executemany("INSERT INTO chunk VALUES (?, ?)", rows)
    spent = time.process_time() - began
    return Bare(len(vectors) / spent, path.stat().st_size / len(vectors) / 1024)


def _resident() -> float:
    """MB that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _tick(pauses: list[float]) -> None:
    """Note what the process does while the loop waits for its next turn, in seconds of the processors."""
    while True:
        began = time.process_time()
        await asyncio.sleep(0.001)
        pauses.append(time.process_time() - began)


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
            before, started = _waited(), time.perf_counter()
            await asyncio.sleep(0.001)
            pause, after = time.perf_counter() - started - 0.001, _waited()
            # A thread that may run and is given no processor holds the loop up, too; that is the machine's doing.
            longest = max(longest, pause - max(after[each] - before.get(each, 0.0) for each in after))

    ticking = asyncio.create_task(tick())
    model = RetrievalModel("semantic_search", TOP)
    await asyncio.gather(*(knowledge.retrieval.retrieve(dataset, f"at once {n}", model, None) for n in range(8)))
    ticking.cancel()
    figure("8 searches at once: longest pause of the loop, but for busy processors", longest * 1e3, "ms", aim="20 ms")


def _waited() -> dict[str, float]:
    """Seconds that each thread has waited for a processor."""
    tasks = Path("/proc/self/task")
    return {each: int((tasks / each / "schedstat").read_text().split()[1]) / 1e9 for each in os.listdir(tasks)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=sized(20_000, 100))
    parser.add_argument("--dimensions", type=int, default=sized(1_024, 16))
    given = parser.parse_args()
    asyncio.run(main(given.chunks, given.dimensions))
