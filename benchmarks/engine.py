"""What the engine costs alone: a run, a node, and compiling; no HTTP, no store.

Baseline, measured in the same run: awaiting an empty coroutine once a node.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import chain, document, figure, node
from benchmarks.sizes import sized
from jikko.apps.versions import check
from jikko.engine.limits import RunLimits
from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.events import Event, RunFinished, RunStarted
from jikko.graph.compiled import CompiledGraph
from jikko.nodes.registry import BY_TYPE
from jikko.ports.node_ports import ValueLimits
from jikko.record import RunIdentity

IDENTITY = RunIdentity(run_id="r", task_id="t", app_id="a", workflow_id="w", version="1", end_user_id="e", user="u")


class Nowhere:
    """A journal that keeps only the end."""

    end: RunFinished | None = None

    def append(self, events: list[Event]) -> None:
        if isinstance(events[-1], RunFinished):
            self.end = events[-1]

    @property
    def has_backpressure(self) -> bool:
        return False

    async def durability_barrier(self) -> None: ...


async def run_once(graph: CompiledGraph, inputs: dict[str, Any] | None = None) -> None:
    ports: Any = SimpleNamespace(limits=ValueLimits())
    journal = Nowhere()
    runner = Runner(RunState(graph), journal, info=IDENTITY, ports=ports, limits=RunLimits())
    await runner.run([RunStarted(at=time.time(), inputs=inputs or {"q": "hello"}, system={})])
    assert journal.end is not None
    assert journal.end.status == "succeeded", journal.end


async def seconds_per_run(graph: CompiledGraph, count: int) -> float:
    await run_once(graph)
    began = time.perf_counter()
    for _ in range(count):
        await run_once(graph)
    return (time.perf_counter() - began) / count


async def empty() -> None: ...


async def seconds_per_empty(count: int = sized(200_000, 100)) -> float:
    began = time.perf_counter()
    for _ in range(count):
        await empty()
    return (time.perf_counter() - began) / count


def compiled(made: dict[str, Any]) -> CompiledGraph:
    return check(json.dumps(made).encode(), source="bench", node_classes=BY_TYPE).require()[1]


def rejoining(count: int) -> dict[str, Any]:
    """If-else in series, each of whose branches rejoin."""
    variable = {"variable": "q", "label": "q", "type": "paragraph", "required": False}
    nodes = [node("start", "start", variables=[variable])]
    edges, previous = [], "start"
    for index in range(count):
        condition = {"variable_selector": ["start", "q"], "comparison_operator": "contains", "value": "e"}
        cases = [{"case_id": "true", "logical_operator": "and", "conditions": [condition]}]
        nodes += [node(f"if{index}", "if-else", cases=cases)]
        nodes += [node(f"{side}{index}", "variable-aggregator", variables=[["start", "q"]]) for side in "ab"]
        edges += (
            [f"{previous} --> if{index}"]
            if previous == "start"
            else [f"{side}{index - 1} --> if{index}" for side in "ab"]
        )
        edges += [f"if{index} --true--> a{index}", f"if{index} --false--> b{index}"]
        previous = "branches"
    nodes.append(node("end", "end", outputs=[{"variable": "q", "value_selector": ["start", "q"]}]))
    return document("rejoining", nodes, [*edges, *(f"{side}{count - 1} --> end" for side in "ab")])


async def main() -> None:
    baseline = await seconds_per_empty()
    short, long = (
        await seconds_per_run(compiled(chain(10)), sized(500, 2)),
        await seconds_per_run(compiled(chain(1010)), sized(10, 1)),
    )
    per_node = (long - short) / 1000
    figure("engine, per node", per_node * 1e6, "us", baseline=baseline * 1e6, aim="<= 15 us")
    figure("engine, per run", (short - 10 * per_node) * 1e6, "us", aim="<= 100 us")
    for nodes in sized((10, 100, 1_000, 10_000), (10, 100)):
        took = await seconds_per_run(compiled(chain(nodes)), max(2, sized(2_000, 10) // nodes))
        figure(f"engine, a chain of {nodes} nodes", took * 1000, "ms")
    branches = await seconds_per_run(compiled(rejoining(28)), sized(50, 2))
    figure("28 rejoining if-else in series", branches * 1000, "ms", aim="<= 5 ms")
    text = json.dumps(chain(1000)).encode()
    began = time.perf_counter()
    check(text, source="bench", node_classes=BY_TYPE).require()
    figure("read, check and compile, per node", (time.perf_counter() - began) / 1000 * 1e6, "us", aim="<= 100 us")


if __name__ == "__main__":
    asyncio.run(main())
