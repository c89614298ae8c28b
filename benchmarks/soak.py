"""Everything at once for minutes, while the server is killed every 30 s: nothing may be lost, and memory must be flat.

    python -m benchmarks.soak [--minutes 10] [--kill-every 30] [--workers 1] [--seed 1] [--rate 12] [--keep]

Clients run blocking, streaming and asynchronously, stop runs, hang up in the middle of streams, run workflows whose
nodes fail, tools, a plugin and programs, answer forms, upload files, chat, ask an agent, speak OpenAI's API, search a
dataset while it is indexed, and call a webhook until it is taken; a schedule is due, and the console is open. First as
fast as they can for a few seconds, which shows the capacity of this machine, clients included; then at 70 % of it, or
from the beginning at ``--rate`` requests a second. With several workers, one of them is killed instead of the server.
At the end every run, message, document and call that a client was told of must be as it was told, each due time must
have run once, and neither memory nor open descriptors may grow. Exit code 1 if not. ``--keep`` writes the figures into
docs/reliability.md.
"""

import argparse
import asyncio
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.footprint import pss, tree
from benchmarks.load import figure, settings
from benchmarks.sizes import sized
from benchmarks.soak_apps import prepared, settings_of
from benchmarks.soak_checks import lost, lost_calls
from benchmarks.soak_clients import Client, Findings, Given, look

CLIENTS = 16
LOAD = 0.7
"""Part of the capacity that is used."""
TRIAL = sized(6.0, 0.3)
"""Seconds in which the capacity is measured, at most: a tenth of the whole is enough."""
FLAT = 1.25
"""How much more the last life may have at its end than those of the first half, and 8 MiB or 32 descriptors."""
PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN = "<!-- what the soak has seen -->"
END = "<!-- up to here, of the soak -->"


class Life:
    """The server, from a launch to a kill."""

    def __init__(self, home: Path, workers: int) -> None:
        self._workers = workers
        self._command = [sys.executable, "-m", "jikko", "serve", "--port", "0"]
        self._environment = settings(home, JIKKO_WORKERS=str(workers), JIKKO_LOG_RUNS="true", **settings_of(home))
        self.url = ""
        """Empty while there is no server."""
        self.memory: list[float] = []
        """MiB at the end of each life."""
        self.descriptors: list[int] = []
        self.kills = 0
        self.launched = 0.0

    async def launch(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        self.launched = time.monotonic()
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if found := re.search(rb"serves (http://[\d.:]+)", line):
                self.url = found[1].decode()
                return
        raise RuntimeError("the server did not start")

    def measure(self) -> None:
        """Note what all processes hold; those of programs may end meanwhile."""
        memory, descriptors = 0.0, 0
        with suppress(OSError):
            for pid in tree(self._process.pid):
                with suppress(OSError):
                    memory, descriptors = memory + pss(pid), descriptors + len(os.listdir(f"/proc/{pid}/fd"))
        self.memory.append(memory)
        self.descriptors.append(descriptors)

    async def kill(self) -> None:
        """Kill the server and launch it again, or a worker, which the server does by itself."""
        self.kills += 1
        if self._workers > 1:
            os.kill(await self._some_worker(), signal.SIGKILL)
            self.launched = time.monotonic()
            return
        self.url = ""
        self._process.kill()
        await self._process.wait()
        await self.launch()

    async def _some_worker(self) -> int:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/health") as answer:
            return int((await answer.json())["process"])

    async def stop(self) -> int:
        self._process.terminate()
        return await self._process.wait()


async def soak(options: argparse.Namespace) -> int:
    findings, dice, seconds = Findings(), random.Random(options.seed), options.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        given_apps = await asyncio.to_thread(prepared, home)
        life = Life(home, options.workers)
        given = Given(life, *given_apps)
        await life.launch()
        await given.make_dataset()
        clients = [Client(given, findings, random.Random(dice.random())) for _ in range(CLIENTS)]
        rate = options.rate or LOAD * await capacity(clients, findings, min(TRIAL, seconds / 10))
        until = time.monotonic() + seconds
        every = CLIENTS / rate
        looking = asyncio.create_task(look(given, findings))
        working = [asyncio.create_task(client.work(until, every)) for client in clients]
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(options.kill_every, left))
            life.measure()
            if until - time.monotonic() > 1:
                await life.kill()
        await asyncio.gather(*working)
        looking.cancel()
        wrong = await lost(given, findings)
        code = await life.stop()
        wrong += lost_calls(home, findings)
    return report(findings, life, wrong, code, options, rate)


async def capacity(clients: Sequence[Client], findings: Findings, seconds: float) -> float:
    """Measure how many requests a second are answered if no client pauses, and forget what they saw."""
    await asyncio.gather(*(client.work(time.monotonic() + seconds) for client in clients))
    served = sum(findings.ways.values())
    findings.ways.clear()
    tell_refusals("while the capacity was measured", findings)
    findings.refused.clear()
    return served / seconds


def report(
    findings: Findings, life: Life, wrong: list[str], code: int, options: argparse.Namespace, rate: float
) -> int:
    """Print what was found. Returns the exit code."""
    print(f"Ways: {dict(findings.ways)}; {dict(findings.noted)}")
    print(f"At the end of each life: {[round(held, 1) for held in life.memory]} MiB, {life.descriptors} descriptors")
    figure("soak, requests", sum(findings.ways.values()) / options.minutes / 60, "/s", baseline=rate)
    figure("soak, runs that clients were told of", len(findings.expected), "")
    figure("soak, messages", len(findings.messages), "")
    figure("soak, calls of the webhook", len(findings.taken), "")
    figure("soak, lost or wrong", len(wrong), "", aim="0")
    figure("soak, errors that are not the client's", len(findings.errors), "", aim="0")
    figure("soak, memory at the end", life.memory[-1], "MiB", baseline=early(life.memory))
    figure("soak, descriptors at the end", life.descriptors[-1], "", baseline=early(life.descriptors))
    for line in wrong[:10]:
        print(line)
    for error, count in Counter(findings.errors).most_common(10):
        print(f"{count} times {error}")
    tell_refusals("at the load", findings)
    if options.keep:
        keep(findings, life, len(wrong), options)
    grown = (
        life.memory[-1] > early(life.memory) * FLAT + 8,
        life.descriptors[-1] > early(life.descriptors) * FLAT + 32,
    )
    refused = too_many_refused(refusals(findings), sum(findings.ways.values()), rate)
    nothing = not (findings.expected and findings.messages and findings.taken and findings.batches)
    return 1 if wrong or findings.errors or any(grown) or code or nothing or refused else 0


def tell_refusals(when: str, findings: Findings) -> None:
    """Print which requests were refused, by whom, and how long after the server was launched."""
    for refusal, seconds in sorted(findings.refused.items(), key=lambda item: -len(item[1])):
        print(f"Refused {when}, {len(seconds)} times, {min(seconds)} to {max(seconds)} s after a launch: {refusal}")


def refusals(findings: Findings) -> int:
    """How many requests were refused for the moment."""
    return sum(map(len, findings.refused.values()))


def too_many_refused(refused: int, served: int, wanted: float) -> bool:
    """Whether more were refused for the moment than one of 20, or than come in the 10 s that a disk may stand still.

    Args:
        wanted: Requests a second.
    """
    return refused > max((refused + served) / 20, 10 * wanted)


def early(held: Sequence[float]) -> float:
    """The most that was held in the first half of the lives: a later one need not have every process."""
    return max(held[: (len(held) + 1) // 2])


def keep(findings: Findings, life: Life, wrong: int, options: argparse.Namespace) -> None:
    """Write the figures into the page."""
    what = "the server" if options.workers == 1 else f"one of {options.workers} workers"
    rows = {
        "minutes, kills": f"{options.minutes:g}, {life.kills} of {what}",
        "requests": f"{sum(findings.ways.values()):,}",
        "runs; messages; calls of a webhook; due times": "; ".join(
            f"{count:,}"
            for count in (
                len(findings.expected), len(findings.messages), len(findings.taken), findings.noted["due times"]
            )
        ),
        "lost or other than told; of calls and due times, doubled too": str(wrong),
        "errors that are not the client's; requests refused for the moment (503, `Retry-After`)": (
            f"{len(findings.errors)}; {refusals(findings)}"
        ),
        "memory of all processes at the ends of lives: the most of the first half, and the last": (
            f"{early(life.memory):.0f}, {life.memory[-1]:.0f} MiB"
        ),
        "open descriptors, likewise": f"{early(life.descriptors)}, {life.descriptors[-1]}",
    }  # fmt: skip
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}", "utf-8")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--kill-every", type=float, default=30.0, help="seconds")
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rate", type=float, help="requests a second, instead of 70 %% of the capacity")
    options.add_argument("--keep", action="store_true", help="write the figures into docs/reliability.md")
    return asyncio.run(soak(options.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
