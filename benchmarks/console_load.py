"""What the console costs who runs workflows: processor time of the server a run, in turns with a server without it.

One server has no console, one has one that nobody looks at, of one the same 100 clients follow a run each, of one 100
look at the list of runs. All are measured in turns of less than half a second, again and again, and in each round the
cost of a run is compared with that of the same round without a console: what else the machine does lasts longer than a
round and concerns all alike. The median of these ratios counts. What the measure itself differs by is told by a second
server without a console, whose ratio should be 1. Below it, the same list is looked at by 1 and by 100.
"""

import asyncio
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, cast

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.footprint import cpu_seconds
from benchmarks.http_runs import body, one_run
from benchmarks.idle_streams import asks
from benchmarks.load import Server, figure, jikko, put, request, start_end
from benchmarks.sizes import sized
from jikko.assemble.assembly import BuildContext
from jikko.assemble.console.watch import build_watch
from jikko.cluster.alone import Alone
from jikko.concurrency.shutdown import Shutdown
from jikko.events import Event, NodeFinished, RunFinished, RunStarted
from jikko.record import RunIdentity
from jikko.runs.observer import observe
from jikko.settings import Settings

LOOKING = sized(100, 2)
ROUNDS = int(os.environ.get("BENCH_ROUNDS", sized(60, 1)))
SECONDS = sized(0.4, 0.02)
TOKEN = "t" * 40
NONE_AGAIN = "that is not there, either"
ON = {"JIKKO_CONSOLE_TOKEN": TOKEN}


async def follow(server: Server, path: str, count: int) -> list[asyncio.Task[None]]:
    """Open streams of the console, and read them."""
    wanted = request("GET", f"/console/api/{path}", TOKEN)
    tasks = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(wanted)
        assert b" 200 " in await reader.readline(), path
        tasks.append(asyncio.create_task(_drained(reader, writer)))
    return tasks


async def _drained(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.read(65_536):
            pass
    finally:
        writer.close()


async def alone(nodes: int) -> float:
    """Processor seconds that what watches runs for the console takes of one, by itself: the best of many."""
    identity = RunIdentity(
        run_id="r", task_id="t", app_id="a", workflow_id="w", version="1", end_user_id="u", user="me"
    )
    events: list[Event] = [RunStarted(at=0.0, inputs={}, system={})]
    for index in range(nodes):
        about: Any = {"execution_id": "x", "node_id": "n", "node_type": "if-else", "index": index, "started_at": 0.0}
        events.append(NodeFinished(**about, at=0.0, elapsed=0.0004, status="succeeded"))
    events.append(RunFinished(at=0.0, status="succeeded", elapsed=0.01))
    cluster, store = Alone(), cast(Any, None)  # nobody enters
    settings = Settings()
    context = BuildContext(settings, settings, Shutdown(), {}, time.time)
    observer = build_watch(context, store, cluster).watching(None)
    best = 1.0
    for _ in range(sized(300, 1)):
        began = time.process_time_ns()
        for _ in range(100):
            observe(observer, identity, 0, events)
        best = min(best, (time.process_time_ns() - began) / 100 / 1e9)
    await cluster.close()
    return best


async def cost(server: Server) -> float:
    """Processor seconds of the server a run, under the load of the benchmarks."""
    before = cpu_seconds(server.pid)
    start = request("POST", "/v1/workflows/run", server.keys["start_end"], body("blocking"))
    load = await put(server.port, start, clients=8, seconds=SECONDS)
    return (cpu_seconds(server.pid) - before) / load.count


async def main() -> None:
    with ExitStack() as stack:

        def server(**settings: str) -> Server:
            return stack.enter_context(jikko(start_end(), asks(), **settings))

        servers = {
            "none": server(JIKKO_CONSOLE="off"),
            NONE_AGAIN: server(JIKKO_CONSOLE="off"),
            "that nobody looks at": server(**ON),
            f"{LOOKING} follow a run each": server(**ON),
            "1 looks at the list of runs": server(**ON),
            f"{LOOKING} look at the list of runs": server(**ON),
        }
        _, _, _, following, one, many = servers.values()
        streams = []
        for _ in range(LOOKING):
            run_id, _ = one_run(following, "asks")
            streams += await follow(following, f"runs/{run_id}/stream", 1)
        streams += await follow(one, "runs/stream", 1)
        streams += await follow(many, "runs/stream", LOOKING)
        costs: dict[str, list[float]] = {name: [] for name in servers}
        for round_number in range(-1, ROUNDS):
            turns = list(servers.items())
            for name, measured in turns if round_number % 2 else reversed(turns):
                found = await cost(measured)
                if round_number >= 0:
                    costs[name].append(found)
        # Of one that nobody looks at, what it takes by itself is less than what measures of a busy machine differ by.
        without = costs.pop("none")
        nothing = median(without)
        for name, found_costs in costs.items():
            ratios = sorted(found / none for found, none in zip(found_costs, without, strict=True))
            aim = "" if "list" in name or name is NONE_AGAIN else "<= 1.03 x"
            cost_of_run = nothing * median(ratios)
            figure(f"a console, {name}: CPU of a run", cost_of_run * 1e6, "µs", baseline=nothing * 1e6, aim=aim)
            low, high = ratios[len(ratios) // 4], ratios[-len(ratios) // 4]
            print(f"    half of {len(ratios)} rounds: {low:.3f} to {high:.3f} x; median {median(ratios):.3f} x")
        by_itself = await alone(2) * 1e6
        figure(
            "what watches runs for the console: CPU of a run", by_itself, "µs", baseline=nothing * 1e6, aim="<= 0.03 x"
        )
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)


if __name__ == "__main__":
    uvloop.run(main())
