"""The same small flow at Jikko and at a peer: processor time a request, and memory.

    python -m benchmarks.peers [--langflow PYTHON]

PYTHON is that of a virtual environment with ``langflow-base``. A text comes in over HTTP, passes two nodes and is the
answer; each server records the run, as it does by default, in SQLite. Both are up at once and asked in turn, by four
clients. What counts is the processor time of all processes of a server, as the kernel has it: other programs on the
machine change it little. The value is the median of the rounds.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from msgspec import Struct

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.footprint import cpu_seconds, pss, tree
from benchmarks.load import jikko, start_end
from benchmarks.peers.launching import langflow

ROUNDS: Final = 7
CLIENTS: Final = 4
TEXT: Final = "見積もり 🧾 hello"


class Peer(Struct):
    """A server that is up."""

    name: str
    pid: int
    url: str
    body: dict[str, Any]
    headers: dict[str, str]
    count: int
    """Requests of a client in a round: as many as take some seconds."""


def processor_seconds(pid: int) -> float:
    """Those of a process and all below it."""
    return sum(map(cpu_seconds, tree(pid)))


async def cost(peer: Peer) -> float:
    """Seconds of the processor a request."""

    async def ask(session: aiohttp.ClientSession) -> None:
        for _ in range(peer.count):
            async with session.post(peer.url, json=peer.body, headers=peer.headers) as answer:
                text = await answer.text()
                assert answer.status == 200, text[:500]
                assert TEXT in json.dumps(json.loads(text), ensure_ascii=False), text[:500]

    before = processor_seconds(peer.pid)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        await asyncio.gather(*(ask(session) for _ in range(CLIENTS)))
    return (processor_seconds(peer.pid) - before) / (CLIENTS * peer.count)


@contextmanager
def of_jikko() -> Iterator[Peer]:
    with jikko(start_end()) as server:
        url, key = f"http://127.0.0.1:{server.port}/v1/workflows/run", server.keys["start_end"]
        body = {"inputs": {"q": TEXT}, "user": "bench"}
        yield Peer("Jikko", server.pid, url, body, {"Authorization": f"Bearer {key}"}, 500)


@contextmanager
def of_langflow(python: Path, home: Path) -> Iterator[Peer]:
    with langflow(python, home) as (pid, url, key):
        body = {"input_value": TEXT, "input_type": "chat", "output_type": "chat"}
        yield Peer("Langflow", pid, f"{url}/api/v1/run/echo", body, {"x-api-key": key}, 5)


async def compare(peers: list[Peer]) -> None:
    """Print a table."""
    at_rest = {peer.name: processor_seconds(peer.pid) for peer in peers}
    for peer in peers:
        await cost(peer)  # what the first requests load does not count
    costs: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(ROUNDS):
        for peer in peers:
            costs[peer.name].append(await cost(peer))
    own = statistics.median(costs[peers[0].name])
    print("| | processor time a request | times Jikko's | to be ready | memory after load |")
    print("| --- | --- | --- | --- | --- |")
    for peer in peers:
        found = costs[peer.name]
        least, middle, most = (1000 * each for each in (min(found), statistics.median(found), max(found)))
        memory = sum(map(pss, tree(peer.pid)))
        print(
            f"| {peer.name} | {middle:.3g} ms ({least:.3g}–{most:.3g}) | {middle / own / 1000:,.0f} "
            f"| {at_rest[peer.name]:.2g} s | {memory:,.0f} MiB |"
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--langflow", type=Path, metavar="PYTHON")
    given = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        peers = [stack.enter_context(of_jikko())]
        if given.langflow:
            peers.append(stack.enter_context(of_langflow(given.langflow.absolute(), folder / "langflow")))
        asyncio.run(compare(peers))


if __name__ == "__main__":
    main()
