"""What it costs to observe runs: processor time of the server a run, with a line in the log, and with metrics.

Servers with and without are measured in turns, a second each, so that what else the machine does concerns them alike;
of each the best second counts.
"""

import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.http_runs import body
from benchmarks.load import Server, chain, figure, jikko, put, request, start_end

ROUNDS = 12
SECONDS = 1.0
WAYS = {
    "nothing": {"JIKKO_LOG_RUNS": "false"},
    "metrics": {"JIKKO_LOG_RUNS": "false"},
    "a line a run": {"JIKKO_LOG_RUNS": "true"},
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def cost(server: Server, app: str) -> float:
    """Processor seconds of the server a run."""
    before = processor_seconds(server.pid)
    load = await put(
        server.port,
        request("POST", "/v1/workflows/run", server.keys[app], body("blocking")),
        clients=8,
        seconds=SECONDS,
    )
    return (processor_seconds(server.pid) - before) / (load.per_second * SECONDS)


async def main() -> None:
    with ExitStack() as stack:
        servers = {}
        for name, settings in WAYS.items():
            more = {"JIKKO_METRICS_PORT": str(free_port())} if name == "metrics" else {}
            servers[name] = stack.enter_context(jikko(start_end(), chain(10), **settings, **more))
        for app, what in (("start_end", "2 nodes"), ("chain10", "a chain of 10")):
            costs: dict[str, list[float]] = {name: [] for name in WAYS}
            for round_number in range(-1, ROUNDS):
                turns = list(servers.items())
                for name, server in turns if round_number % 2 else reversed(turns):
                    found = await cost(server, app)
                    if round_number >= 0:
                        costs[name].append(found)
            nothing = min(costs.pop("nothing"))
            for name, measured in costs.items():
                aim = "<= 1.02 x" if name == "metrics" else ""
                figure(f"{name}, {what}: CPU of a run", min(measured) * 1e6, "µs", baseline=nothing * 1e6, aim=aim)


if __name__ == "__main__":
    uvloop.run(main())
