"""What a second server process adds, on the cores that there are: ``python -m benchmarks.workers``.

Both servers are up at the same time, and the load goes to one and the other in turn, so that a machine that others use
too treats them alike. The baseline is one process. The client shares the cores: with two of them, two processes cannot
do twice as much.
"""

import json
import os
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.http_runs import body, one_run
from benchmarks.load import Server, figure, jikko, put, request, start_end

CLIENTS = 128
SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
TIMES = 3

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


async def main() -> None:
    figures: list[tuple[str, Measured, str]] = [
        (f"GET run detail, 2 workers, {CLIENTS} connections", reading, ">= 1.6 x one"),
        (f"blocking start->end, 2 workers, {CLIENTS} clients", running, ">= 1.3 x one"),
    ]
    with jikko(start_end()) as one, jikko(start_end(), JIKKO_WORKERS="2") as two:
        for name, measured, aim in figures:
            alone, together = [], []
            for _ in range(TIMES):
                alone.append(await measured(one))
                together.append(await measured(two))
            figure(name, statistics.median(together), "/s", baseline=statistics.median(alone), aim=aim)
    print(json.dumps({"name": "cores", "value": len(os.sched_getaffinity(0)), "unit": "", "aim": ""}))


if __name__ == "__main__":
    uvloop.run(main())
