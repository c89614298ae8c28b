"""What streams cost that wait: ``python -m benchmarks.idle_streams``.

A run waits for a human, and many clients follow it. The CPU time of the server while nothing happens, in percent of a
core, their pings included (one every 10 s for each): beside one process and beside two, of which each has half of them.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.footprint import tree
from benchmarks.http_runs import one_run
from benchmarks.load import Server, document, figure, jikko, node, request
from benchmarks.sizes import sized

STREAMS = sized(200, 4)
SECONDS = float(os.environ.get("BENCH_SECONDS", sized(20, 0.1)))
_TICKS = os.sysconf("SC_CLK_TCK")


def asks() -> dict[str, Any]:
    """An app whose runs wait for a form."""
    form = node(
        "ask",
        "human-input",
        form_content="?",
        inputs=[{"type": "paragraph", "output_variable_name": "comment"}],
        user_actions=[{"id": "yes", "title": "Yes"}],
        timeout=24,
        timeout_unit="hour",
        delivery_methods=[{"type": "webapp", "enabled": True, "id": "1", "config": {}}],
    )
    nodes = [node("start", "start", variables=[]), form, node("end", "end", outputs=[])]
    return document("asks", nodes, ["start --> ask", "ask --yes--> end"])


def cpu_seconds(server: Server) -> float:
    """CPU time of a server's processes so far."""
    ticks = 0
    for process in tree(server.pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


async def load(server: Server) -> float:
    """Percent of a core, for a while in which nothing happens."""
    before = cpu_seconds(server)
    await asyncio.sleep(SECONDS)
    return 100 * (cpu_seconds(server) - before) / SECONDS


async def measure(workers: int) -> None:
    """One figure."""
    with jikko(asks(), JIKKO_WORKERS=str(workers)) as server:
        run_id, _ = one_run(server, "asks")
        without = await load(server)
        wanted = request("GET", f"/v1/workflows/run/{run_id}/events", server.keys["asks"])
        wanted = wanted.replace(b"\r\n", b"\r\nAccept: text/event-stream\r\n", 1)
        streams = []
        for _ in range(STREAMS):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(wanted)
            assert b" 200 " in await reader.readline()
            streams.append((reader, writer))
        await asyncio.sleep(sized(3, 0.1))
        waiting = await load(server)
        name = f"{STREAMS} streams of a paused run, {workers} process{'es' if workers > 1 else ''}"
        figure(f"{name}: CPU", waiting - without, "% of a core", aim="<= 0.5 %, pings apart")
        for _, writer in streams:
            writer.close()


async def main() -> None:
    for workers in (1, 2):
        await measure(workers)


if __name__ == "__main__":
    uvloop.run(main())
