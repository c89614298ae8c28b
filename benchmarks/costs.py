"""Costs of a token, a run, a node, a round, a detail and an open stream, each beside its limit, in one table.

    python -m benchmarks.costs

Processor time of the server a request (all threads). Both servers run at once and are asked in turn, with the order
changed each round; what counts is the median of the ratios of 7 rounds. The least and the largest of them are its
interval, at 98 %: a change that is within it was not measured. docs/performance.md has the table.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import uvloop
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import streaming_models
from benchmarks.footprint import cpu_seconds, pss
from benchmarks.http_runs import body, one_run, the_limit
from benchmarks.iteration import inputs, iteration
from benchmarks.load import Server, chain, figure, jikko, process, put, request, start_end
from benchmarks.sizes import sized

ROUNDS = sized(7, 1)
SECONDS = sized(2.0, 0.02)
CLIENTS = sized(32, 2)
STREAMS = sized((1, 100, 300), (1,))
ITEMS = 100

Measure = Callable[[], Awaitable[float]]


class Beside(NamedTuple):
    """A cost and its limit, by the same measure."""

    ours: float
    limit: float
    ratio: float
    least: float
    most: float

    def show(self, name: str, unit: str, aim: str = "") -> None:
        figure(name, self.ours, unit, baseline=self.limit, aim=aim)
        shown = (
            f"{self.ours:.3g} {unit} | {self.limit:.3g} {unit} | {self.ratio:.2f} ({self.least:.2f}–{self.most:.2f})"
        )
        print(f"| {name} | {shown} |", flush=True)


async def in_turn(ours: Measure, limit: Measure, rounds: int = ROUNDS) -> Beside:
    """Measure both, again and again, once before without counting."""
    pairs: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        first, second = (ours, limit) if number % 2 else (limit, ours)
        found = await first(), await second()
        if number or rounds == 1:
            pairs.append(found if number % 2 else found[::-1])
    ratios = [mine / least for mine, least in pairs]
    medians = [statistics.median(each) for each in zip(*pairs, strict=True)]
    return Beside(medians[0], medians[1], statistics.median(ratios), min(ratios), max(ratios))


def a_request(pid: int, port: int, wanted: bytes) -> Measure:
    """Microseconds of a server's processor time."""

    async def measured() -> float:
        before = cpu_seconds(pid)
        load = await put(port, wanted, clients=CLIENTS, seconds=SECONDS)
        return (cpu_seconds(pid) - before) / load.count * 1e6

    return measured


async def requests(server: Server) -> None:
    """A detail, a run, a node and a round."""
    with ExitStack() as stack:
        run_id, size = one_run(server, "start_end")
        command = [sys.executable, "-m", "benchmarks.bare", str(size)]
        bare = stack.enter_context(process(command, r"listens on (\d+)", dict(os.environ)))
        limits = [stack.enter_context(the_limit(nodes)) for nodes in (2, 10)]
        detail = request("GET", f"/v1/workflows/run/{run_id}", server.keys["start_end"])
        ours = a_request(server.pid, server.port, detail)
        (await in_turn(ours, a_request(*bare, detail))).show("a run's detail", "us", "<= 1.25 x")
        least = request("POST", "/v1/workflows/run", "limit", body("blocking"))
        found = []
        for app, limit in zip(("start_end", "chain10"), limits, strict=True):
            wanted = request("POST", "/v1/workflows/run", server.keys[app], body("blocking"))
            found.append(await in_turn(a_request(server.pid, server.port, wanted), a_request(*limit, least)))
        two, ten = found
        two.show("a run of two nodes", "us", "<= 1.8 x")
        ten.show("a run of ten nodes", "us", "<= 1.8 x")
        figure("a node more", (ten.ours - two.ours) / 8, "us", baseline=(ten.limit - two.limit) / 8)
        posted = {"inputs": inputs(ITEMS), "user": "bench", "response_mode": "blocking"}
        rounds = request("POST", "/v1/workflows/run", server.keys["iteration"], json.dumps(posted).encode())
        spent = await a_request(server.pid, server.port, rounds)()
        figure("a round of an iteration", (spent - two.ours) / ITEMS, "us", baseline=(ten.limit - two.limit) / 8)


@contextmanager
def model() -> Iterator[int]:
    """A model at the usual pace. Yields its port."""
    port = streaming_models.free_port()
    with streaming_models.running(streaming_models.__file__, "model", str(port), port=port):
        yield port


async def streams(server: Server, port: int) -> None:
    """A token, by how many streams are open, and one of these."""
    command = [sys.executable, "-m", "benchmarks.bare_streams", str(port)]
    with process(command, r"listens on (\d+)", dict(os.environ)) as (bare_pid, bare_port):
        key = server.keys["streaming"]
        ours, bare = (streaming_models.Server(*each) for each in ((server.pid, server.port), (bare_pid, bare_port)))
        before = pss(server.pid)
        await streaming_models.paced(ours, key, 1)
        figure("memory of the first call of a model", pss(server.pid) - before, "MiB", aim="<= 15 MiB")
        held = [await an_open_stream(each, key, max(STREAMS)) for each in (ours, bare)]
        figure("an open stream", held[0], "KiB", baseline=held[1], aim="<= 50 KiB")
        for count in STREAMS:

            def a_token(of: streaming_models.Server, count: int = count) -> Measure:
                async def measured() -> float:
                    return (await streaming_models.paced(of, key, count)).cpu * 1e6

                return measured

            found = await in_turn(a_token(ours), a_token(bare), sized(3, 1))
            found.show(f"a token, {count} streams of 20 a second", "us", "<= 2.6 x")


async def an_open_stream(server: streaming_models.Server, key: str, count: int) -> float:
    """KiB of memory, in a server that has not had as many yet."""
    before = pss(server.pid)
    asked = asyncio.create_task(streaming_models.paced(server, key, count))
    await asyncio.sleep(streaming_models.PACE * streaming_models.PACED / 2)
    held = pss(server.pid)
    await asked
    return (held - before) * 1024 / count


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder, model() as port:
        providers = Path(folder) / "providers.yml"
        entry = {"type": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "api_key": "k"}
        providers.write_text(json.dumps({"providers": {"openai": entry}}))
        apps = (start_end(), chain(10), iteration(), yaml.safe_load(streaming_models.WORKFLOW))
        with jikko(*apps, JIKKO_PROVIDERS=str(providers)) as server:
            await streams(server, port)  # first: the first call of a model is that of a fresh server
            await requests(server)


if __name__ == "__main__":
    uvloop.run(main())
