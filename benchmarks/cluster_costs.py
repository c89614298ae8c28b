"""What runs at three servers cost PostgreSQL: processor time, statements, transactions, syncs and bytes of its log.

    python -m benchmarks.cluster_costs [--jikko PYTHON]

Three servers on one PostgreSQL (Debian's, durable) and one NATS: runs that make two calls of 30 ms, turns of a chat
that call nothing, and turns with such a call. Processor time is that of all processes of PostgreSQL, by their accounts.
Statements are counted in a pass of their own, since counting takes time, too.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import asyncpg
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cluster.nats_server import nats_running
from tests.store.postgres_server import DURABLE, PostgresServer, postgres_running

from benchmarks.chats import question, start_answer
from benchmarks.http_runs import body
from benchmarks.load import App, document, figure, imported, node, put, request, serving
from benchmarks.scale_figures import cpu_of_children
from benchmarks.several_servers import bucket, call, called, calling
from benchmarks.sizes import sized

SERVERS: Final = sized(3, 1)
SECONDS: Final = sized(4.0, 0.05)
CLIENTS: Final = sized((1, 8, 32), (2,))
"""Of each server."""
SETTINGS: Final = (*DURABLE, "max_connections=150", "autovacuum_naptime=10")
COUNTING: Final = (*SETTINGS, "shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=top")
_COUNTED: Final = """
SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS transactions,
  wal_sync AS syncs, wal_bytes AS bytes FROM pg_stat_wal
"""
_STATEMENTS: Final = """
SELECT calls, total_exec_time, query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE datname = current_database() AND query NOT LIKE '%pg_stat_%' ORDER BY calls DESC
"""


def calling_chat(url: str) -> dict[str, Any]:
    """A chatflow with a call."""
    nodes = [
        node("start", "start", variables=[]),
        call("n0", url, 30),
        node("answer", "answer", answer="{{#n0.body#}}"),
    ]
    found = document("talk", nodes, ["start --> n0", "n0 --> answer"])
    found["app"]["mode"] = "advanced-chat"
    return found


def wanted(apps: dict[str, App]) -> dict[str, bytes]:
    """What is asked for, by what it is."""
    run = request("POST", "/v1/workflows/run", apps["two_calls"].key, body("blocking"))
    turns = (request("POST", "/v1/chat-messages", apps[name].key, question("blocking")) for name in ("chat", "talk"))
    return dict(
        zip(("a run with two calls", "a turn that calls nothing", "a turn with a call"), (run, *turns), strict=True)
    )


async def at_all(ports: Sequence[int], asked: bytes, clients: int, seconds: float) -> tuple[int, float]:
    """Ask all servers at once. Returns how often it was answered, and after how many seconds in the median."""
    loads = await asyncio.gather(*(put(port, asked, clients=clients, seconds=seconds) for port in ports))
    return sum(load.count for load in loads), statistics.median(load.median for load in loads)


async def costs(
    server: PostgresServer, url: str, ports: Sequence[int], requests: dict[str, bytes], most: Sequence[int]
) -> None:
    """Figures of each kind of request, by how many clients there are."""
    assert server._process is not None
    connection = await asyncpg.connect(url)
    for name, asked in requests.items():
        for clients in most:
            await at_all(ports, asked, clients, sized(1.0, 0.02))
            before, cpu = await connection.fetchrow(_COUNTED), cpu_of_children(server._process.pid)
            count, median = await at_all(ports, asked, clients, SECONDS)
            await asyncio.sleep(sized(1.0, 0.1))  # sessions report what they did
            cpu = cpu_of_children(server._process.pid) - cpu
            after = await connection.fetchrow(_COUNTED)
            where = f"{name}, {SERVERS} servers with {clients} clients each"
            figure(f"{where}: CPU of PostgreSQL", cpu / count * 1000, "ms", aim="<= 0.5 ms" if "two" in name else "")
            for what, unit in (("transactions", ""), ("syncs", ""), ("bytes", "B of its log")):
                figure(f"… {what}", float(after[what] - before[what]) / count, unit)
            figure("… runs", count / SECONDS, "/s")
            figure("… p50", median * 1000, "ms")
    await connection.close()


async def statements(url: str, ports: Sequence[int], requests: dict[str, bytes]) -> None:
    """How many statements each kind of request takes, one after the other at each server."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    for name, asked in requests.items():
        await at_all(ports, asked, 1, sized(0.5, 0.02))
        await connection.execute("SELECT pg_stat_statements_reset()")
        count, _ = await at_all(ports, asked, 1, SECONDS)
        rows = await connection.fetch(_STATEMENTS)
        figure(f"statements, {name}, one client each", sum(row[0] for row in rows) / count, "")
        for calls, took, query in rows[:14]:
            print(f"{calls / count:7.3f} {took / calls:7.4f} ms  {' '.join(query.split())[:120]}", file=sys.stderr)
    await connection.close()


async def measure(options: argparse.Namespace, settings: Sequence[str], *, counting: bool) -> None:
    with postgres_running(settings) as server, nats_running() as broker, bucket() as files, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = server.made()
        shared = {"JIKKO_DATABASE_URL": url, "JIKKO_NATS_URL": broker.url, "python": options.jikko, **files}
        async with called() as (address, _):
            documents = calling("two_calls", address, 30, 2), start_answer(), calling_chat(address)
            apps = await asyncio.to_thread(lambda: imported(folder / "operator", *documents, **shared))
            ports = [
                (await asyncio.to_thread(stack.enter_context, serving(folder / str(number), **shared)))[1]
                for number in range(SERVERS)
            ]
            requests = {name: asked for name, asked in wanted(apps).items() if options.only in name}
            if counting:
                await statements(url, ports, requests)
            else:
                await costs(server, url, ports, requests, options.clients)
            await asyncio.to_thread(stack.close)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, metavar="N", help="Of each server.")
    parser.add_argument("--uncounted", action="store_true", help="Without statements.")
    parser.add_argument("--jikko", default=sys.executable, metavar="PYTHON", help="Whose Jikko serves.")
    options = parser.parse_args()
    await measure(options, SETTINGS, counting=False)
    if not options.uncounted:
        await measure(options, COUNTING, counting=True)


if __name__ == "__main__":
    uvloop.run(main())
