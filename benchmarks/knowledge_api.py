"""Datasets over HTTP, with a fake model: documents until they are found, searches, and runs that search.

Usage: python -m benchmarks.knowledge_api

Baselines are of the same run: of documents and searches, that the dataset is read; of a run, that of a workflow without
the search.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import document, figure, imported, node, put, request, serving, settings, start_end
from benchmarks.sizes import sized

SECONDS = sized(2.0, 0.04)
DOCUMENTS = sized(30, 3)
CHUNKS = sized(12, 5)
NEEDED = ("cryptography", "numpy", "rjieba", "usearch")
"""Packages of the extra ``knowledge``."""


class Api:
    """The knowledge API of a server."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        url = f"http://127.0.0.1:{self.port}/v1{path}"
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers, method=method)
        with urllib.request.urlopen(asked) as answer:
            return json.loads(answer.read())

    def completed(self, dataset: str, name: str, text: str) -> float:
        """Seconds until a new document is found."""
        began = time.perf_counter()
        added = self("POST", f"/datasets/{dataset}/document/create-by-text", name=name, text=text)
        while True:
            [each] = self("GET", f"/datasets/{dataset}/documents/{added['batch']}/indexing-status")["data"]
            if each["indexing_status"] == "completed":
                return time.perf_counter() - began


def searching(dataset: str) -> dict[str, Any]:
    """Start, knowledge retrieval, end."""
    variable = {"variable": "q", "label": "q", "type": "paragraph", "required": False}
    retrieval = node(
        "found",
        "knowledge-retrieval",
        dataset_ids=[dataset],
        query_variable_selector=["start", "q"],
        retrieval_mode="multiple",
        multiple_retrieval_config={"top_k": 4, "reranking_enable": False},
    )
    nodes = [node("start", "start", variables=[variable]), retrieval]
    end = node("end", "end", outputs=[{"variable": "found", "value_selector": ["found", "result"]}])
    return document("searching", [*nodes, end], ["start --> found", "found --> end"])


def text_of(number: int) -> str:
    """A small text."""
    return " ".join(f"word{number} thing{place}" for place in range(20))


def key_of(home: Path, python: str = sys.executable) -> str:
    """A key of the knowledge API of a data folder. The Jikko of ``python`` makes it."""
    command = [python, "-m", "jikko", "knowledge", "keys", "create", "--json"]
    done = subprocess.run(command, env=settings(home), check=True, capture_output=True, text=True)
    return str(json.loads(done.stdout)["api_key"])


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        apps = imported(home, start_end())
        key = key_of(home)
        with serving(home, JIKKO_FAKE_MODELS="true") as (_, port):
            api = Api(port, key)
            datasets = {
                technique: api("POST", "/datasets", name=technique, indexing_technique=technique)["id"]
                for technique in ("economy", "high_quality")
            }
            read = request("GET", f"/v1/datasets/{datasets['economy']}", key)
            bare = (await put(port, read, clients=1, seconds=SECONDS)).median * 1000
            for technique, aim in (("economy", "20 ms"), ("high_quality", "40 ms")):
                api.completed(datasets[technique], "first.txt", text_of(0))
                times = [
                    api.completed(datasets[technique], f"{number}.txt", text_of(number))
                    for number in range(1, DOCUMENTS)
                ]
                name = f"text added -> found, {technique}, p50"
                figure(name, statistics.median(times) * 1000, "ms", baseline=bare, aim=aim)
            for technique, method, aim in (
                ("economy", "keyword_search", "3 ms"),
                ("high_quality", "semantic_search", "4 ms"),
            ):
                model = {"search_method": method, "reranking_enable": False, "top_k": 4}
                body = {"query": "word3 thing5", "retrieval_model": {**model, "score_threshold_enabled": False}}
                path = f"/v1/datasets/{datasets[technique]}/retrieve"
                asked = request("POST", path, key, json.dumps(body).encode())
                found = await put(port, asked, clients=1, seconds=SECONDS)
                figure(f"retrieve, {method}, p50", found.median * 1000, "ms", baseline=bare, aim=aim)
            small = api("POST", "/datasets", name="small", indexing_technique="high_quality")["id"]
            for number in range(CHUNKS):
                api.completed(small, f"{number}.txt", text_of(number))
            apps |= imported(home, searching(small))
            body = {"inputs": {"q": "word3 thing5"}, "user": "bench", "response_mode": "blocking"}
            run = json.dumps(body).encode()
            wanted = [request("POST", "/v1/workflows/run", apps[name].key, run) for name in ("start_end", "searching")]
            # In turns, so that both have the same moments of the machine.
            medians: list[list[float]] = [[], []]
            for _ in range(sized(5, 1)):
                for which, each in enumerate(wanted):
                    medians[which].append((await put(port, each, clients=1, seconds=SECONDS / 4)).median * 1000)
            baseline, ours = map(statistics.median, medians)
            name = f"start -> knowledge-retrieval -> end, {CHUNKS} chunks, p50"
            figure(name, ours, "ms", baseline=baseline, aim="4 ms")
    installed = sum(file.size or 0 for name in NEEDED for file in metadata.files(name) or ())
    figure("size of what the extra installs", installed / 1e6, "MB", aim="<= 100 MB")


if __name__ == "__main__":
    uvloop.run(main())
