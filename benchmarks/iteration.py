"""An iteration over 10 to 10,000 items, one after the other: by the engine alone, and over HTTP.

Each item runs one node (a variable aggregator), as where Dify took 10,440 ms for 100 items. Baselines, measured in the
same run: for the engine, a chain of as many nodes; over HTTP, a run of two nodes.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.engine import compiled, run_once, seconds_per_run
from benchmarks.load import chain, document, figure, jikko, node, put, request, start_end
from benchmarks.sizes import sized

COUNTS = sized((10, 100, 1_000, 10_000), (10, 100))


def iteration(parallel: int = 1) -> dict[str, Any]:
    """Over ``start.q.items``; each round hands its item on."""
    variable = {"variable": "q", "label": "q", "type": "json_object", "required": False}
    inside = {"isInIteration": True, "iteration_id": "each"}
    container = node(
        "each",
        "iteration",
        start_node_id="each-start",
        iterator_selector=["start", "q", "items"],
        iterator_input_type="array[string]",
        output_selector=["inner", "output"],
        output_type="array[string]",
        is_parallel=parallel > 1,
        parallel_nums=parallel,
        error_handle_mode="terminated",
        flatten_output=True,
    )
    first = {**node("each-start", "iteration-start", **inside), "type": "custom-iteration-start", "parentId": "each"}
    aggregator = node("inner", "variable-aggregator", output_type="string", variables=[["each", "item"]], **inside)
    end = node("end", "end", outputs=[{"variable": "all", "value_selector": ["each", "output"]}])
    nodes = [node("start", "start", variables=[variable]), container, first, {**aggregator, "parentId": "each"}, end]
    return document("iteration", nodes, ["start --> each", "each-start --> inner", "each --> end"])


def inputs(count: int) -> dict[str, Any]:
    return {"q": {"items": [f"item {index}" for index in range(count)]}}


async def by_the_engine() -> None:
    graph = compiled(iteration())
    for count in COUNTS:
        rounds = max(2, sized(1_000, 20) // count)
        await run_once(graph, inputs(count))
        began = time.perf_counter()
        for _ in range(rounds):
            await run_once(graph, inputs(count))
        took = (time.perf_counter() - began) / rounds
        baseline = await seconds_per_run(compiled(chain(count + 2)), rounds)
        figure(f"engine, iteration over {count} items", took * 1000, "ms", baseline=baseline * 1000)


async def over_http() -> None:
    with jikko(iteration(), start_end(), JIKKO_MAX_BODY=str(64 << 20)) as server:
        short = json.dumps({"inputs": {"q": "hello"}, "user": "bench", "response_mode": "blocking"}).encode()
        two = await put(
            server.port,
            request("POST", "/v1/workflows/run", server.keys["start_end"], short),
            clients=1,
            seconds=1,
        )
        for count in COUNTS:
            body = json.dumps({"inputs": inputs(count), "user": "bench", "response_mode": "blocking"}).encode()
            wanted = request("POST", "/v1/workflows/run", server.keys["iteration"], body)
            await put(server.port, wanted, clients=1, seconds=0)
            found = await put(server.port, wanted, clients=1, seconds=2)
            aim = "<= 25 ms" if count == 100 else ""
            name = f"blocking iteration over {count} items, 1 client, p50"
            figure(name, found.median * 1000, "ms", baseline=two.median * 1000, aim=aim)


def main() -> None:
    uvloop.run(by_the_engine())
    uvloop.run(over_http())


if __name__ == "__main__":
    main()
