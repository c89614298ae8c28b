"""How fast the sandbox is, what its isolation costs, and how that compares to an interpreter per run.

    python benchmarks/sandbox.py [seconds per figure, default 5]
    python benchmarks/sandbox.py beside   (10,000 programs beside three busy loops, of which none may fail)

The variant with the layers off runs only the programs in this file, and exists only here. It keeps what ends its
children with it (no inherited descriptors, the death signal), or they would outlive the benchmark.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sizes import sized
from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.fork_server_client import ForkServerClient
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits

PYTHON = """
import json, re, datetime
def main(a, b):
    numbers = [int(x) for x in re.findall(r"[0-9]+", a)]
    return {"r": json.dumps({"s": sum(numbers), "b": b.upper(), "d": str(datetime.date(2024, 1, 2))}), "f": f"{a}-{b}"}
"""
JAVASCRIPT = """
function main({a, b}) {
  const numbers = (a.match(/[0-9]+/g) || []).map(Number);
  return {r: JSON.stringify({s: numbers.reduce((x, y) => x + y, 0), b: b.toUpperCase()}), f: `${a}-${b}`};
}
"""
TEMPLATE = """{% set ns = namespace(t=0) %}{% for x in items %}{% set ns.t = ns.t + x.n %}
- {{ loop.index }}. {{ x.name|upper }} {{ '%.2f'|format(x.n) }}{% endfor %}
{{ d|tojson }} {{ s.split(',')[0].strip() }} {{ missing|default('x')|join(',') }} {{ ns.t }}
"""
VARIABLES = {"items": [{"name": f"n{i}", "n": i / 2} for i in range(10)], "d": {"a": 1}, "s": "a, b"}
ARGUMENTS = {"a": "1 2 x 30", "b": "y"}
HOG = "def main():\n    while True:\n        pass\n"

NO_LAYERS = f"""
import jikko.sandbox.lock as lock
lock.landlock_abi = lambda: 0
lock.become_nobody = lock.drop_capabilities = lock.forbid_dumps = lambda *_: None
lock.forbid_new_privileges = lock.install_filter = lambda *_: None
{PROGRAM}
"""

Call = Callable[[], Awaitable[object]]


def calls(sandbox: ForkServerSandbox) -> dict[str, Call]:
    return {
        "python": lambda: sandbox.run_code("python3", PYTHON, ARGUMENTS),
        "javascript": lambda: sandbox.run_code("javascript", JAVASCRIPT, ARGUMENTS),
        "template, cached": lambda: sandbox.render(TEMPLATE, VARIABLES, app_id="app"),
    }


def show(name: str, seconds: list[float], extra: str = "") -> None:
    milliseconds = sorted(1000 * value for value in seconds)
    p50, p95, p99 = (milliseconds[min(len(milliseconds) - 1, int(len(milliseconds) * q))] for q in (0.5, 0.95, 0.99))
    print(f"{name:48} p50 {p50:7.2f}  p95 {p95:7.2f}  p99 {p99:7.2f} ms  {extra}")


async def open_loop(call: Call, rate: float, duration: float) -> list[float]:
    """Latencies in seconds when calls come at a fixed rate, whether or not earlier ones have ended."""
    latencies: list[float] = []

    async def one(due: float) -> None:
        await call()
        latencies.append(time.perf_counter() - due)

    start = time.perf_counter()
    tasks = []
    for index in range(int(rate * duration)):
        due = start + index / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(time.perf_counter())))
    await asyncio.gather(*tasks)
    return latencies


async def closed_loop(call: Call, concurrency: int, duration: float) -> tuple[list[float], float]:
    """Latencies in seconds, and runs per second, when each of several callers calls again at once."""
    latencies: list[float] = []
    start = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - start < duration:
            began = time.perf_counter()
            await call()
            latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return latencies, len(latencies) / (time.perf_counter() - start)


async def confined(duration: float) -> None:
    sandbox = ForkServerSandbox(SandboxLimits(wall_seconds=60, runs_per_server=1_000_000))
    began = time.perf_counter()
    await sandbox.run_code("python3", PYTHON, ARGUMENTS)
    show("first run, fork server started for it", [time.perf_counter() - began])
    for name, call in calls(sandbox).items():
        await closed_loop(call, 1, sized(0.5, 0.02))
        for rate in (20, 100):
            show(f"{name}, open loop {rate}/s", await open_loop(call, rate, duration))
        for concurrency in (1, 4):
            latencies, throughput = await closed_loop(call, concurrency, duration)
            show(f"{name}, closed loop, {concurrency} at once", latencies, f"{throughput:.0f}/s")
    texts = iter(range(1_000_000))
    show("template, new each time, open loop 20/s", await open_loop(
        lambda: sandbox.render(TEMPLATE + str(next(texts)), VARIABLES, app_id="app"), 20, duration
    ))  # fmt: skip
    hogs = [asyncio.create_task(sandbox.run_code("python3", HOG, {})) for _ in range(8)]
    await asyncio.sleep(0.5)
    show("python, open loop 20/s beside 8 endless loops", await open_loop(calls(sandbox)["python"], 20, duration))
    lags = []
    for _ in range(sized(100, 2)):
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        lags.append(time.perf_counter() - began - 0.01)
    show("lag of the server's loop beside 8 endless loops", lags)
    for hog in hogs:
        hog.cancel()
    await asyncio.gather(*hogs, return_exceptions=True)
    await sandbox.close()


async def cost_of_isolation(duration: float) -> None:
    """Both variants by turns in the same minute, since the machine's mood changes."""
    limits = SandboxLimits(runs_per_server=1_000_000)
    locked = ForkServerSandbox(limits)
    unlocked = ForkServerSandbox(limits, program=NO_LAYERS)

    async def believe(server: ForkServerClient) -> None:
        """Leave the self-test out, which would refuse it."""

    with mock.patch.object(ForkServerClient, "_prove", believe):
        await unlocked.run_code("python3", PYTHON, ARGUMENTS)
    medians: dict[str, list[float]] = {"all layers": [], "no layers": []}
    for _ in range(4):
        for name, sandbox in (("all layers", locked), ("no layers", unlocked)):
            latencies = await open_loop(calls(sandbox)["python"], 50, duration / 2)
            medians[name].append(1000 * statistics.median(latencies))
    for name, values in medians.items():
        print(f"{name:48} p50 {statistics.median(values):7.2f} ms")
    cost = statistics.median(medians["all layers"]) - statistics.median(medians["no layers"])
    print(f"{'isolation costs':48} p50 {cost:7.2f} ms")
    await locked.close()
    await unlocked.close()


async def beside_busy_loops(programs: int = sized(10_000, 8), loops: int = sized(3, 0)) -> None:
    """Programs on a machine that has no time for them: a child may come to its first line after anything else."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]  # noqa: ASYNC220
    sandbox = ForkServerSandbox(SandboxLimits(wall_seconds=60, runs_per_server=1_000))
    failed: Counter[str] = Counter()
    numbers = iter(range(programs))

    async def caller() -> None:
        for _ in numbers:
            try:
                await sandbox.run_code("python3", PYTHON, ARGUMENTS)
            except SandboxFailure as failure:
                failed[str(failure)] += 1

    began = time.perf_counter()
    try:
        await asyncio.gather(*(caller() for _ in range(8)))
        took = time.perf_counter() - began
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
        await sandbox.close()
    print(*failed.items(), sep="\n")
    name = f"of {programs:,} programs beside {loops} busy loops failed"
    print(json.dumps({"name": name, "value": failed.total(), "unit": "programs", "aim": "0"}))
    print(json.dumps({"name": "programs beside busy loops", "value": round(programs / took), "unit": "/s"}))
    if failed:
        sys.exit(1)


def interpreter_per_run() -> None:
    program = PYTHON + f"\nimport json\nprint(json.dumps(main(**json.loads({json.dumps(ARGUMENTS)!r}))))"
    latencies = []
    for _ in range(sized(30, 1)):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, stdout=subprocess.DEVNULL)
        latencies.append(time.perf_counter() - began)
    show("python3 -I -S -c, one interpreter per run", latencies, f"{1 / statistics.mean(latencies):.0f}/s")


if __name__ == "__main__":
    if sys.argv[1:] == ["beside"]:
        sys.exit(asyncio.run(beside_busy_loops()))
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else sized(5.0, 0.1)
    asyncio.run(confined(seconds))
    asyncio.run(cost_of_isolation(seconds))
    interpreter_per_run()
    asyncio.run(beside_busy_loops())
