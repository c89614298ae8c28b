"""One machine on PostgreSQL, and several on PostgreSQL and NATS: ``python -m benchmarks.several_servers``.

What a record in PostgreSQL costs beside one in SQLite on the same disk, in turns, both durable; how many statements a
run takes; how late an event is seen at another server; how long a dead server's runs stand still. Beside them what
asyncpg and NATS do by themselves. PostgreSQL (Debian's), NATS (of PyPI) and a bucket (moto) run on the same cores.
"""

import asyncio
import json
import os
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
import uvloop
from nats.errors import NoRespondersError

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cluster.nats_server import nats_running
from tests.files.buckets import Buckets
from tests.store.postgres_server import DURABLE, PostgresServer, postgres_running

from benchmarks.http_runs import body, one_run
from benchmarks.load import Server, document, figure, imported, jikko, node, put, request, serving, start_end
from benchmarks.sizes import sized

CLIENTS = 64
SECONDS = float(os.environ.get("BENCH_SECONDS", sized(3, 0.05)))
TIMES = sized(3, 1)
MEMBER_SECONDS = sized(10.0, 2.0)
HELD = sized(20, 2)
"""Runs of the server that is killed."""
EVENTS = 40
"""Nodes of the run that is followed."""
_ROW_BYTES = 1500


@contextmanager
def bucket() -> Iterator[dict[str, str]]:
    """A bucket, and what opens it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        made = Buckets(f"http://{host}:{port}").made()
        yield {"JIKKO_FILES_URL": made, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    finally:
        server.stop()


async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request of a node, after the milliseconds that its path names; a connection without one is closed."""
    if not (line := await reader.readline()):
        writer.close()
        return
    await asyncio.sleep(int(line.split()[1].rpartition(b"/")[2]) / 1000)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


class Calls:
    """When nodes have called."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self._came = asyncio.Event()

    def note(self) -> None:
        """One calls now."""
        self.at.append(time.monotonic())
        self._came.set()

    async def wait(self, count: int) -> None:
        """Wait until there were N of them."""
        while len(self.at) < count:
            self._came.clear()
            await self._came.wait()


@asynccontextmanager
async def called() -> AsyncIterator[tuple[str, Calls]]:
    """A server that nodes call: its address, and when it was."""
    calls = Calls()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.note()
        try:
            await waits(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            # A server was killed, or all is over.
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", calls


def call(name: str, url: str, milliseconds: int) -> dict[str, Any]:
    """A node that calls."""
    data = {"authorization": {"type": "no-auth", "config": None}, "body": {"type": "none", "data": []}}
    address = f"{url}/{milliseconds}"
    return node(name, "http-request", variables=[], method="get", url=address, headers="", params="", **data)


def calling(name: str, url: str, milliseconds: int, count: int) -> dict[str, Any]:
    """An app that makes N calls, one after the other."""
    calls = [call(f"n{number}", url, milliseconds) for number in range(count)]
    ids = ["start", *(each["id"] for each in calls), "end"]
    nodes = [node("start", "start", variables=[]), *calls, node("end", "end", outputs=[])]
    return document(name, nodes, [f"{one} --> {other}" for one, other in pairwise(ids)])


# By themselves --------------------------------------------------------------------------------------------------------


async def bare_asyncpg(server: PostgresServer) -> float:
    """Rows of a run's size, 64 a statement, one connection. Returns rows a second."""
    connection = await asyncpg.connect(server.made())
    await connection.execute("CREATE TABLE rows (id bytea PRIMARY KEY, data bytea)")
    insert = "INSERT INTO rows SELECT * FROM unnest($1::bytea[], $2::bytea[])"
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        rows = [(secrets.token_bytes(16), os.urandom(_ROW_BYTES)) for _ in range(CLIENTS)]
        await connection.execute(insert, *map(list, zip(*rows, strict=True)))
        count += CLIENTS
    rate = count / (time.perf_counter() - begun)
    lasted = []
    for _ in range(200):
        begun = time.perf_counter()
        await connection.execute(insert, [secrets.token_bytes(16)], [os.urandom(_ROW_BYTES)])
        lasted.append(time.perf_counter() - begun)
    await connection.close()
    figure(f"asyncpg alone: rows of {_ROW_BYTES} B, {CLIENTS} a statement", rate, "/s")
    figure("asyncpg alone: one such row, p50", statistics.median(lasted) * 1000, "ms")
    return rate


async def bare_nats(url: str) -> float:
    """A question and its answer, p50. Returns milliseconds."""
    one, other = await nats.connect(url), await nats.connect(url)

    async def answer(message: Any) -> None:
        await message.respond(b"true")

    await other.subscribe("bench.ask", cb=answer)
    await other.flush()
    # A busy machine may know of the subscription only some time after it has confirmed it.
    for _ in range(100):
        with suppress(NoRespondersError):
            await one.request("bench.ask", b"", timeout=60)
            break
        await asyncio.sleep(0.1)
    lasted = []
    for _ in range(500):
        begun = time.perf_counter()
        await one.request("bench.ask", b"x" * 200, timeout=60)
        lasted.append(time.perf_counter() - begun)
    await one.close()
    await other.close()
    found = statistics.median(lasted) * 1000
    figure("NATS alone: question and answer, p50", found, "ms")
    return found


# One machine ----------------------------------------------------------------------------------------------------------


async def beside_sqlite(server: PostgresServer) -> None:
    """Runs and reads, in turns with the same server on SQLite; and statements."""
    url = server.made()
    with jikko(start_end()) as sqlite, jikko(start_end(), JIKKO_DATABASE_URL=url) as postgres:
        runs: dict[int, list[float]] = {sqlite.port: [], postgres.port: []}
        reads: dict[int, list[float]] = {sqlite.port: [], postgres.port: []}
        for _ in range(TIMES):
            for one in (sqlite, postgres):
                key = one.keys["start_end"]
                starts = request("POST", "/v1/workflows/run", key, body("blocking"))
                runs[one.port].append((await put(one.port, starts, clients=CLIENTS, seconds=SECONDS)).per_second)
                detail = request("GET", f"/v1/workflows/run/{one_run(one, 'start_end')[0]}", key)
                reads[one.port].append((await put(one.port, detail, clients=CLIENTS, seconds=SECONDS)).per_second)
        for name, rates, aim in (("blocking start->end", runs, ">= 0.8 x"), ("GET run detail", reads, ">= 0.6 x")):
            by_sqlite, by_postgres = (statistics.median(rates[one.port]) for one in (sqlite, postgres))
            figure(f"{name}, {CLIENTS} clients, PostgreSQL by SQLite", by_postgres, "/s", baseline=by_sqlite, aim=aim)
        await statements(server, url, postgres)


async def statements(server: PostgresServer, url: str, jikko_server: Server) -> None:
    """How many a run without effects takes, one after the other."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    wanted = request("POST", "/v1/workflows/run", jikko_server.keys["start_end"], body("blocking"))
    await put(jikko_server.port, wanted, clients=1, seconds=0.5)
    await connection.execute("SELECT pg_stat_statements_reset()")
    load = await put(jikko_server.port, wanted, clients=1, seconds=SECONDS)
    rows = await connection.fetch(
        "SELECT calls, query FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid "
        "WHERE datname = current_database() AND query NOT LIKE '%pg_stat_statements%' ORDER BY calls DESC"
    )
    await connection.close()
    figure("statements of PostgreSQL a run, 1 client", sum(row[0] for row in rows) / load.count, "", aim="<= 1.05")
    if os.environ.get("BENCH_SAY"):
        for calls, query in rows[:8]:
            print(calls, load.count, " ".join(query.split())[:110], file=sys.stderr)


# Several --------------------------------------------------------------------------------------------------------------


async def follow(port: int, key: str, run_id: str, seen: dict[int, float]) -> None:
    """When each event of a run is seen."""
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    url = f"http://127.0.0.1:{port}/v1/workflows/run/{run_id}/events"
    async with httpx.AsyncClient(timeout=60) as client, client.stream("GET", url, headers=headers) as answer:
        position = -1
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                position = int(line[4:])
            elif line.startswith("data: "):
                seen.setdefault(position, time.perf_counter())


async def begun(port: int, key: str) -> str:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(
            f"http://127.0.0.1:{port}/v1/workflows/run",
            headers={"Authorization": f"Bearer {key}"},
            json={"inputs": {}, "user": "bench", "response_mode": "async"},
        )
        run_id: str = answer.json()["workflow_run_id"]
        return run_id


async def seen_elsewhere(first: int, second: int, key: str, bare: float) -> None:
    """How much later an event is seen at another server than at the one that has just committed it."""
    run_id = await begun(first, key)
    here: dict[int, float] = {}
    there: dict[int, float] = {}
    await asyncio.gather(follow(first, key, run_id, here), follow(second, key, run_id, there))
    assert here.keys() == there.keys()
    # What there was when they began does not count.
    late = [1000 * (there[at] - here[at]) for at in sorted(here)[8:]]
    figure("an event is seen at another server after its commit, p50", statistics.median(late), "ms", aim="<= 15 ms")
    figure("… p95", sorted(late)[int(0.95 * len(late))], "ms", baseline=bare)


async def goes_on(first: tuple[int, int], key: str, calls: Calls) -> None:
    """How long the runs of a server that is killed stand still, beyond the time for which its word holds."""
    pid, port = first
    for _ in range(HELD):
        await begun(port, key)
    await calls.wait(HELD)
    calls.at.clear()
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    await calls.wait(HELD)
    lasted = sorted(at - killed for at in calls.at)
    figure(f"{HELD} runs of a killed server go on after, the last", lasted[-1], "s", aim=f"<= {MEMBER_SECONDS + 1:g} s")
    figure("… the first", lasted[0], "s")


async def main() -> None:
    settings = (*DURABLE, "shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=top")
    with postgres_running(settings) as server, nats_running() as broker, bucket() as files, ExitStack() as stack:
        await bare_asyncpg(server)
        bare = await bare_nats(broker.url)
        await beside_sqlite(server)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shared = {
            "JIKKO_DATABASE_URL": server.made(),
            "JIKKO_NATS_URL": broker.url,
            "JIKKO_MEMBER_SECONDS": str(MEMBER_SECONDS),
            **files,
        }
        async with called() as (url, calls):
            documents = calling("quick", url, 30, EVENTS), calling("held", url, 60_000, 1)
            apps = await asyncio.to_thread(lambda: imported(folder / "operator", *documents, **shared))
            first = await asyncio.to_thread(stack.enter_context, serving(folder / "a", **shared))
            second = await asyncio.to_thread(stack.enter_context, serving(folder / "b", **shared))
            for _ in range(TIMES):
                await seen_elsewhere(first[1], second[1], apps["quick"].key, bare)
            calls.at.clear()
            await goes_on(first, apps["held"].key, calls)
            os.kill(second[0], signal.SIGKILL)


if __name__ == "__main__":
    uvloop.run(main())
    print(json.dumps({"name": "cores", "value": len(os.sched_getaffinity(0)), "unit": "", "aim": ""}))
