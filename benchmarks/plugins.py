"""Plugins: a call, many calls that wait, a flood of messages, and a crash, with one that is written without the SDK.

What is measured is Jikko's side and the pipe; the SDK's own costs come on top. Aims: an empty call in 3 ms (p50) and
1 ms of the server's processor; 5 % of a core for calls that wait; a lag of the event loop of 10 ms (p95) under a flood
of messages; a crash that is seen within 50 ms; neither a descriptor nor a task left by a thousand crashes.
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sizes import sized
from jikko.concurrency.scheduler import Scheduler
from jikko.plugins.process.budget import Budgets
from jikko.plugins.process.call import InvocationMessage, PluginFailure, ProcessLimits
from jikko.plugins.process.process import PluginProcess

STAND_IN = Path(__file__).parents[1] / "tests" / "plugins" / "stand_in.py"
CRASHES = sized(1000, 2)


async def main() -> None:
    """Print the figures."""
    process = await started()
    await empty_calls(process)
    await waiting_calls(process)
    await flood(process)
    await process.kill()
    await crash()
    await crashes()


async def started() -> PluginProcess:
    return await PluginProcess.start(
        [sys.executable, "-I", "-S", str(STAND_IN)],
        folder=STAND_IN.parent,
        environment={},
        limits=ProcessLimits(),
        share=Scheduler(),
        budget=Budgets().open(),
    )


async def called(process: PluginProcess, tool: str, emit: Any = lambda message: None, **given: Any) -> None:
    request = {"type": "tool", "action": "invoke_tool", "tool": tool, "tool_parameters": given}
    await process.call(request, seconds=120.0, emit=emit)


async def empty_calls(process: PluginProcess) -> None:
    took = []
    before, count = cpu(), sized(2000, 10)
    for _ in range(count):
        began = time.perf_counter()
        await called(process, "echo")
        took.append(time.perf_counter() - began)
    figure("empty call, p50", statistics.median(took) * 1000, "ms", 3)
    figure("processor time of the server for a call", (cpu() - before) / count * 1000, "ms", 1)


async def waiting_calls(process: PluginProcess) -> None:
    before, began = cpu(), time.perf_counter()
    await asyncio.gather(*(called(process, "wait", seconds=sized(5, 0.1)) for _ in range(100)))
    figure("100 calls that wait, of a core", (cpu() - before) / (time.perf_counter() - began) * 100, "%", 5)


async def flood(process: PluginProcess) -> None:
    lags: list[float] = []
    noted = asyncio.Event()

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - began - 0.005)
            noted.set()

    received = 0

    def emit(message: InvocationMessage) -> None:
        nonlocal received
        received += 1

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    await called(process, "many", emit, count=sized(60_000, 100))
    seconds = time.perf_counter() - began
    await noted.wait()
    watching.cancel()
    figure("messages of a flood", received / seconds, "/s", 5000)
    figure("lag of the event loop meanwhile, p95", sorted(lags)[int(len(lags) * 0.95)] * 1000, "ms", 10)


async def crash() -> None:
    took = []
    for _ in range(sized(20, 1)):
        process = await started()
        other = asyncio.create_task(called(process, "never"))
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        for each in (called(process, "exit", status=3), other):
            with suppress(PluginFailure):
                await each
        took.append(time.perf_counter() - began)
        await process.kill()
    figure("a crash is seen, p50", statistics.median(took) * 1000, "ms", 50)


async def crashes() -> None:
    # The first ones load what is loaded once.
    await _crash_often(sized(20, 1))
    descriptors, tasks, memory = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), resident()
    await _crash_often(CRASHES)
    figure(f"descriptors more after {CRASHES} crashes", len(os.listdir("/proc/self/fd")) - descriptors, "", 0)
    figure(f"tasks more after {CRASHES} crashes", len(asyncio.all_tasks()) - tasks, "", 0)
    figure(f"memory more after {CRASHES} crashes", (resident() - memory) / 2**20, "MiB", 1)


async def _crash_often(count: int) -> None:
    for start in range(0, count, 4):
        await asyncio.gather(*(_crashed() for _ in range(min(4, count - start))))


async def _crashed() -> None:
    process = await started()
    with suppress(PluginFailure):
        await called(process, "exit", status=3)
    await process.kill()


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def figure(name: str, value: float, unit: str, aim: float) -> None:
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, "aim": aim}), flush=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
