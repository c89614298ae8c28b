"""What this version costs beside another one: ``python -m benchmarks.against PYTHON [NAME…]``.

PYTHON is that of a virtual environment in which the other version is installed. Both serve at the same time, and are
asked in turn, so that both meet the machine as it is at that moment. What counts is the CPU time of the server's
process for a request, system calls included: other programs on the machine hardly change it. A figure is the median of
the ratios of rounds that stand side by side; its value and baseline are medians too.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.footprint import cpu_seconds, pss, to_the_first_answer
from benchmarks.http_runs import body, one_run
from benchmarks.iteration import inputs, iteration
from benchmarks.load import Server, chain, figure, jikko, put, request, start_end
from benchmarks.sizes import sized

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", sized(15, 1)))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", sized(0.5, 0.02)))
CLIENTS: Final = sized(32, 2)
STARTS: Final = sized(9, 1)
_AIM: Final = "<= 1.1"


async def cost(server: Server, wanted: bytes) -> float:
    """Seconds of CPU a request."""
    before = cpu_seconds(server.pid)
    load = await put(server.port, wanted, clients=CLIENTS, seconds=SECONDS)
    return (cpu_seconds(server.pid) - before) / load.count


async def compare(name: str, unit: str, per_second: float, *measures: Callable[[], Awaitable[float]]) -> None:
    """A figure, of this version and the other in turn."""
    for measure in measures:
        await measure()
    rounds = []
    for number in range(ROUNDS):
        # Who comes first changes, too.
        order = (0, 1) if number % 2 else (1, 0)
        found = {which: await measures[which]() for which in order}
        rounds.append((found[0], found[1]))
    report(name, unit, per_second, rounds)


def report(name: str, unit: str, factor: float, rounds: list[tuple[float, float]]) -> None:
    ours, others = (statistics.median(pair[which] for pair in rounds) * factor for which in (0, 1))
    ratio = statistics.median(pair[0] / pair[1] for pair in rounds)
    figure(name, ours, unit, baseline=ours / ratio, aim=_AIM)
    least = [min(pair[which] for pair in rounds) * factor for which in (0, 1)]
    print(f"  {name}: medians {ours:.3g}, {others:.3g}; least {least[0]:.3g}, {least[1]:.3g} {unit}", file=sys.stderr)


async def served(other: str, names: set[str]) -> None:
    """The figures of servers that run."""
    apps = (start_end(), chain(10), iteration())
    with ExitStack() as stack:
        servers = [stack.enter_context(jikko(*apps, python=python)) for python in (sys.executable, other)]
        wanted: dict[str, list[bytes]] = {}
        for server in servers:
            key, run_id = server.keys["start_end"], one_run(server, "start_end")[0]
            wanted.setdefault("GET run detail", []).append(request("GET", f"/v1/workflows/run/{run_id}", key))
            for name, app, given in (
                ("blocking start->end", "start_end", body("blocking")),
                ("streaming start->end", "start_end", body("streaming")),
                ("blocking chain of 10", "chain10", body("blocking")),
                ("iteration over 100 items", "iteration", iteration_body()),
            ):
                posted = request("POST", "/v1/workflows/run", server.keys[app], given)
                wanted.setdefault(name, []).append(posted)
        for name, (ours, theirs) in wanted.items():
            if names and not any(part in name for part in names):
                continue
            await compare(
                f"{name}: CPU",
                "us",
                1e6,
                lambda ours=ours: cost(servers[0], ours),  # type: ignore[misc]
                lambda theirs=theirs: cost(servers[1], theirs),  # type: ignore[misc]
            )
        if not names or "memory" in names:
            # Each has served the same, for as long; a server that is quicker has served more.
            figure("memory after load, PSS", pss(servers[0].pid), "MiB", baseline=pss(servers[1].pid), aim=_AIM)


def iteration_body() -> bytes:
    return json.dumps({"inputs": inputs(100), "user": "bench", "response_mode": "blocking"}).encode()


def cold_starts(other: str) -> None:
    """CPU time, and time, from launch to the first answer."""
    cpu, clock = [], []
    for _ in range(STARTS):
        ours, others = (to_the_first_answer(python) for python in (sys.executable, other))
        clock.append((ours[0], others[0]))
        cpu.append((ours[1], others[1]))
    report("launch to first 200: CPU", "s", 1, cpu)
    report("launch to first 200", "s", 1, clock)


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    other, names = sys.argv[1], set(sys.argv[2:])
    print(subprocess.check_output([other, "-m", "jikko", "--version"], text=True).strip(), file=sys.stderr)
    uvloop.run(served(other, names))
    if not names or "start" in names:
        cold_starts(other)


if __name__ == "__main__":
    main()
