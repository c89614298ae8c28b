"""What it costs to observe runs: processor time of the server a run, with a line in the log, and with metrics.

Servers with and without are measured in turns, a second each, so that what else the machine does concerns them alike;
of each the best second counts. On a busy machine these differ by more than what is asked for; what metrics take by
themselves does not.
"""

import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.footprint import cpu_seconds
from benchmarks.http_runs import body
from benchmarks.load import Server, chain, figure, jikko, put, request, start_end
from benchmarks.sizes import sized
from jikko.events import Event, NodeFinished, RunFinished, RunStarted
from jikko.http.reference.openapi import OPERATIONS
from jikko.http.requests import Request
from jikko.observing.metrics.process_metrics import ProcessMetrics
from jikko.runs.observer import observe

HEADERS = [(b"content-length", b"500"), (b"content-type", b"application/json"), (b"x-request-id", b"0123456789abcdef")]
ROUNDS = sized(12, 1)
SECONDS = sized(1.0, 0.05)
WAYS = {
    "nothing": {"JIKKO_LOG_RUNS": "false"},
    "metrics": {"JIKKO_LOG_RUNS": "false"},
    "a line a run": {"JIKKO_LOG_RUNS": "true"},
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def alone(nodes: int) -> float:
    """Processor seconds that metrics take of one run and its request, by themselves: the best of many."""
    none: Any = None
    events: list[Event] = [RunStarted(at=0.0, inputs={}, system={})]
    for index in range(nodes):
        about: Any = {"execution_id": "x", "node_id": "n", "node_type": "if-else", "index": index, "started_at": 0.0}
        events.append(NodeFinished(**about, at=0.0, elapsed=0.0004, status="succeeded"))
    events.append(RunFinished(at=0.0, status="succeeded", elapsed=0.01))
    metrics = ProcessMetrics(by_app=False)
    request = Request(none, none, {"headers": []}, none, {}, iter([b"0" * 16]), OPERATIONS[0])
    best = 1.0
    for _ in range(sized(300, 1)):
        began = time.process_time_ns()
        for _ in range(100):
            metrics.requests.began(request, request.operation)
            observe(metrics.runs, none, 0, events)
            metrics.requests.responding(request, 200, HEADERS)
            metrics.requests.ended(request, 200, 500, 0.01)
        best = min(best, (time.process_time_ns() - began) / 100 / 1e9)
    return best


async def cost(server: Server, app: str) -> float:
    """Processor seconds of the server a run."""
    before = cpu_seconds(server.pid)
    load = await put(
        server.port,
        request("POST", "/v1/workflows/run", server.keys[app], body("blocking")),
        clients=8,
        seconds=SECONDS,
    )
    return (cpu_seconds(server.pid) - before) / (load.per_second * SECONDS)


async def main() -> None:
    with ExitStack() as stack:
        servers = {}
        for name, settings in WAYS.items():
            more = {"JIKKO_METRICS_PORT": str(free_port())} if name == "metrics" else {}
            servers[name] = stack.enter_context(jikko(start_end(), chain(10), **settings, **more))
        for app, what, nodes in (("start_end", "2 nodes", 2), ("chain10", "a chain of 10", 12)):
            costs: dict[str, list[float]] = {name: [] for name in WAYS}
            for round_number in range(-1, ROUNDS):
                turns = list(servers.items())
                for name, server in turns if round_number % 2 else reversed(turns):
                    found = await cost(server, app)
                    if round_number >= 0:
                        costs[name].append(found)
            nothing = min(costs.pop("nothing"))
            for name, measured in costs.items():
                figure(f"{name}, {what}: CPU of a run", min(measured) * 1e6, "µs", baseline=nothing * 1e6)
            name = f"metrics, {what}: what they take of a run, by themselves"
            figure(name, alone(nodes) * 1e6, "µs", baseline=nothing * 1e6, aim="<= 0.02 x")


if __name__ == "__main__":
    uvloop.run(main())
