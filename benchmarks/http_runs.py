"""How many runs a second the server does, durable, and how quickly their records are read.

Baselines, measured in the same run: for reading, a bare ASGI application on the same server that answers with as many
bytes; for running, a one-row-a-commit SQLite on the same disk, and *the limit* (``limit.py``): a recorded run with
everything but an engine, on the same server.
"""

import json
import os
import sqlite3
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import Server, chain, figure, jikko, process, put, request, start_end
from benchmarks.sizes import sized

SECONDS = float(os.environ.get("BENCH_SECONDS", sized(3, 0.02)))


def body(mode: str) -> bytes:
    return json.dumps({"inputs": {"q": "hello"}, "user": "bench", "response_mode": mode}).encode()


def one_run(server: Server, app: str) -> tuple[str, int]:
    """Run an app once. Returns the run's id, and the bytes of its detail."""
    headers = {"Authorization": f"Bearer {server.keys[app]}", "Content-Type": "application/json"}
    base = f"http://127.0.0.1:{server.port}/v1/workflows"
    with urllib.request.urlopen(urllib.request.Request(f"{base}/run", body("blocking"), headers)) as answer:
        run_id = json.loads(answer.read())["workflow_run_id"]
    with urllib.request.urlopen(urllib.request.Request(f"{base}/run/{run_id}", None, headers)) as answer:
        return run_id, len(answer.read())


def commits_per_second() -> float:
    """Rows of 1.5 KB, one a commit, durable."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "baseline.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, data BLOB)")
        seconds = sized(1.5, 0.02)
        count, ends = 0, time.perf_counter() + seconds
        while time.perf_counter() < ends:
            connection.execute("INSERT INTO rows (data) VALUES (?)", (os.urandom(1500),))
            count += 1
        connection.close()
        return count / seconds


async def reading(server: Server) -> None:
    run_id, size = one_run(server, "start_end")
    wanted = request("GET", f"/v1/workflows/run/{run_id}", server.keys["start_end"])
    bare = [sys.executable, "-m", "benchmarks.bare", str(size)]
    with process(bare, r"listens on (\d+)", dict(os.environ)) as (_, port):
        baseline = await put(port, wanted, clients=32, seconds=SECONDS)
        ours = await put(server.port, wanted, clients=32, seconds=SECONDS)
    figure("GET run detail, 32 connections", ours.per_second, "/s", baseline=baseline.per_second, aim=">= 0.6 of bare")


async def running(
    server: Server, app: str, nodes: int, names: tuple[str, str], aims: tuple[str, str], commits: float
) -> None:
    wanted = request("POST", "/v1/workflows/run", server.keys[app], body("blocking"))
    least = request("POST", "/v1/workflows/run", "limit", body("blocking"))
    await put(server.port, wanted, clients=1, seconds=0.5)
    with the_limit(nodes) as (_, limit):
        await put(limit, least, clients=1, seconds=0.5)
        one, least_one = [
            await put(port, what, clients=1, seconds=SECONDS) for port, what in ((server.port, wanted), (limit, least))
        ]
        many, most = [
            await put(port, what, clients=32, seconds=SECONDS) for port, what in ((server.port, wanted), (limit, least))
        ]
    figure(names[0], one.median * 1000, "ms", baseline=1000 / commits, aim=aims[0])
    figure(f"{names[0]}: by the limit", one.median * 1000, "ms", baseline=least_one.median * 1000)
    figure(names[1], many.per_second, "/s", baseline=commits, aim=aims[1])
    figure(f"{names[1]}: by the limit", many.per_second, "/s", baseline=most.per_second)


@contextmanager
def the_limit(nodes: int) -> Iterator[tuple[int, int]]:
    """The limit, on the same server. Yields its process id and port."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {**os.environ, "LIMIT_DB": f"{folder}/limit.db", "LIMIT_NODES": str(nodes)}
        command = [sys.executable, "-m", "benchmarks.bare", "limit"]
        with process(command, r"listens on (\d+)", settings) as found:
            yield found


async def streaming(server: Server, commits: float) -> None:
    wanted = request("POST", "/v1/workflows/run", server.keys["start_end"], body("streaming"))
    one = await put(server.port, wanted, clients=1, seconds=SECONDS)
    figure(
        "streaming start->end, 1 client: first event", one.first * 1000, "ms", baseline=1000 / commits, aim="<= 3 ms"
    )
    figure("streaming start->end, 1 client: end", one.median * 1000, "ms", baseline=1000 / commits, aim="<= 5 ms")
    many = await put(server.port, wanted, clients=32, seconds=SECONDS)
    figure("streaming start->end, 32 clients: end", many.median * 1000, "ms", aim="<= 40 ms")


async def main() -> None:
    commits = commits_per_second()
    with jikko(start_end(), chain(10)) as server:
        await reading(server)
        names = ("blocking start->end, 1 client, p50", "blocking start->end, 32 clients, durable")
        await running(server, "start_end", 2, names, ("<= 1 ms", ">= 3500 /s"), commits)
        names = ("blocking 10-node chain, 1 client, p50", "blocking 10-node chain, 32 clients, durable")
        await running(server, "chain10", 10, names, ("<= 1.5 ms", ">= 2000 /s"), commits)
        await streaming(server, commits)


if __name__ == "__main__":
    uvloop.run(main())
