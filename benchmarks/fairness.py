"""What a small app notices of another's work: the time of its runs, quiet and beside each kind of heavy work.

Each line is one kind of work, on a server of its own: runs of start -> end by one client, first quiet, then while the
work goes on, and how much the server grew. Baseline of each: the quiet p99 of the same run. ``--only NAME`` runs one.

Who does the heavy work, and the servers that it asks, are processes of their own at the lowest priority: elsewhere they
are other machines, which take no processor from the server and its small client.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.endless_answers import LOWEST, upstream
from benchmarks.heavy_apps import STRAIGHT, code, http
from benchmarks.heavy_work import BESIDE_SECONDS, WORKS, Place, Work, run_of
from benchmarks.load import Load, Server, document, figure, jikko, node, process, put, start_end
from benchmarks.sizes import sized

QUIET_SECONDS = sized(4.0, 0.05)
AIM = "≤ 20 ×, ≤ 50 ms on a quiet machine"


def resident(pid: int) -> float:
    """MiB of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def most_resident(pid: int, most: list[float]) -> None:
    while True:
        most[0] = max(most[0], resident(pid))
        await asyncio.sleep(0.02)


async def beside(name: str, work: Work, place: Place) -> None:
    server = place.server
    to = f"http://127.0.0.1:{place.upstream}"
    small = run_of(server.keys[work.small], {"q": f"{to}/quick"})
    await put(server.port, small, clients=1, seconds=0.5)
    quiet = await put(server.port, small, clients=1, seconds=QUIET_SECONDS)
    most = [before := resident(server.pid)]
    watching = asyncio.ensure_future(most_resident(server.pid, most))
    command = [sys.executable, __file__, "--drive", name, str(server.port), str(place.upstream), place.key]
    driver = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert driver.stdout is not None
    await driver.stdout.readline()
    found: Load = await put(server.port, small, clients=1, seconds=BESIDE_SECONDS)
    if driver.returncode is None:
        driver.kill()
    elif driver.returncode:
        print(f"{name}: what does the work failed", file=sys.stderr)
    await driver.wait()
    watching.cancel()
    figure(f"beside {name}: p50", found.median * 1000, "ms", baseline=quiet.median * 1000)
    figure(f"beside {name}: p99", found.p99 * 1000, "ms", baseline=quiet.p99 * 1000, aim=AIM)
    figure(f"beside {name}: slowest", found.most * 1000, "ms", baseline=quiet.most * 1000)
    figure(f"beside {name}: memory grew by", most[0] - before, "MiB")


async def drive(name: str, place: Place) -> None:
    """Do heavy work until killed."""
    os.nice(LOWEST)
    print("begins", flush=True)
    work = WORKS[name]
    inputs = {"url": f"http://127.0.0.1:{place.upstream}/{work.upstream}"} if work.upstream else work.inputs
    if work.drive is not None:
        await work.drive(place, inputs)
    else:
        again = run_of(place.key, inputs)
        await put(place.server.port, again, clients=work.clients, seconds=10 * BESIDE_SECONDS)


def fetch() -> dict[str, Any]:
    """A small app that makes a request."""
    variable = {"variable": "q", "label": "q", "type": "paragraph", "required": False}
    nodes = [node("start", "start", variables=[variable]), http("{{#start.q#}}"), node("end", "end", outputs=[])]
    return document("fetch", nodes, STRAIGHT)


def program() -> dict[str, Any]:
    """A small app that runs a program."""
    nodes = [node("start", "start", variables=[]), code("first", "def main():\n    return {'r': 'x'}", r="string")]
    return document("program", [*nodes, node("end", "end", outputs=[])], STRAIGHT)


async def main(only: str) -> None:
    command = [sys.executable, __file__, "--upstream"]
    with process(command, r"port (\d+)", dict(os.environ)) as (_, port), tempfile.TemporaryDirectory() as folder:
        providers = Path(folder) / "providers.yml"
        entry = {"base_url": f"http://127.0.0.1:{port}/v1", "api_key": "x"}
        providers.write_text(json.dumps({"providers": {"openai": entry}}))
        for name, work in WORKS.items():
            if only in name:
                with jikko(
                    start_end(), fetch(), program(), work.app, JIKKO_PROVIDERS=str(providers), **work.settings
                ) as server:
                    await beside(name, work, Place(server, port))


if __name__ == "__main__":
    if "--upstream" in sys.argv:
        asyncio.run(upstream())
    elif "--drive" in sys.argv:
        named, port, to, key = sys.argv[sys.argv.index("--drive") + 1 :]
        uvloop.run(drive(named, Place(Server(int(port), 0, {"heavy": key}), int(to))))
    else:
        uvloop.run(main(sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""))
