"""What a second server process adds, on two cores: ``python -m benchmarks.workers``.

Clients run on the same cores, so two figures are needed. Beside *one worker that has both cores*, the clients sit on
the core that it leaves free, and cost it nothing; with two workers they take their part from both. So this ratio stays
below two by what the clients need, and the more so the quicker the server is: it is what one machine gains, clients
and all. Beside *one worker that has one core, clients included*, everything doubles; this ratio is what a second worker
with a second core adds. All servers are up at the same time, and the load goes to them in turn, so that a machine that
others use too treats them alike.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.costs import in_turn
from benchmarks.footprint import cpu_seconds, tree
from benchmarks.http_runs import body, one_run
from benchmarks.load import Server, figure, jikko, put, request, start_end
from benchmarks.sizes import sized

CLIENTS = sized(128, 4)
SECONDS = float(os.environ.get("BENCH_SECONDS", sized(3, 0.05)))
TIMES = sized(3, 1)

Measured = Callable[[Server], Awaitable[float]]


async def reading(server: Server) -> float:
    """Run details a second."""
    run_id, _ = one_run(server, "start_end")
    wanted = request("GET", f"/v1/workflows/run/{run_id}", server.keys["start_end"])
    return (await put(server.port, wanted, clients=CLIENTS, seconds=SECONDS)).per_second


async def running(server: Server) -> float:
    """Durable runs a second."""
    wanted = request("POST", "/v1/workflows/run", server.keys["start_end"], body("blocking"))
    return (await put(server.port, wanted, clients=CLIENTS, seconds=SECONDS)).per_second


def confine(server: Server, cores: set[int]) -> None:
    """Let a server and its clients, which are this process, have these cores and no others."""
    for process in (os.getpid(), *tree(server.pid)):
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def a_request(server: Server, measured: Measured) -> Callable[[], Awaitable[float]]:
    """Microseconds of the processor time of all its processes."""

    async def spent() -> float:
        before, began = sum(map(cpu_seconds, tree(server.pid))), time.perf_counter()
        rate = await measured(server)
        return (sum(map(cpu_seconds, tree(server.pid))) - before) / (time.perf_counter() - began) / rate * 1e6

    return spent


async def main() -> None:
    every = os.sched_getaffinity(0)
    both = set(sorted(every)[:2])
    first = {min(both)}
    figures: list[tuple[str, Measured, str]] = [
        (f"GET run detail, {CLIENTS} connections", reading, ">= 1.6 x"),
        (f"blocking start->end, {CLIENTS} clients", running, ">= 1.3 x"),
    ]
    with jikko(start_end()) as one, jikko(start_end(), JIKKO_WORKERS="2") as two:
        for name, measured, aim in figures:
            on_one_core: list[float] = []
            alone: list[float] = []
            together: list[float] = []
            for _ in range(TIMES):
                for server, cores, rates in ((one, first, on_one_core), (one, both, alone), (two, both, together)):
                    confine(server, cores)
                    rates.append(await measured(server))
            rate = statistics.median(together)
            name = f"{name}: 2 workers on {len(both)} cores"
            figure(f"{name}, beside 1 on 1", rate, "/s", baseline=statistics.median(on_one_core), aim=aim)
            figure(f"{name}, beside 1 on {len(both)}", rate, "/s", baseline=statistics.median(alone), aim=aim)
        for name, wanted in (("GET run detail", reading), ("blocking start->end", running)):
            found = await in_turn(a_request(two, wanted), a_request(one, wanted))
            found.show(f"{name}, {CLIENTS} clients: CPU of 2 workers beside 1", "us")
    print(json.dumps({"name": "cores", "value": len(every), "unit": "", "aim": ""}))


if __name__ == "__main__":
    uvloop.run(main())
