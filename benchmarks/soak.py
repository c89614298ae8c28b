"""Everything at once for minutes, while the server is killed every 30 s: nothing may be lost, and memory must be flat.

    python -m benchmarks.soak [--minutes 10] [--kill-every 30] [--workers 1] [--seed 1]

Clients run blocking, streaming and asynchronously, stop runs, hang up in the middle of streams, and run workflows whose
nodes fail. First as fast as they can for a few seconds, which shows the capacity of this machine, clients included;
then at 70 % of it. With several workers, one of them is killed instead of the server. At the end every run that a
client was told of must have ended as it should, and the server's memory must not grow. Exit code 1 if not.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.footprint import pss, tree
from benchmarks.load import chain, document, figure, node
from benchmarks.sizes import sized

CLIENTS = 16
LOAD = 0.7
"""Part of the capacity that is used."""
TRIAL = sized(6.0, 0.3)
"""Seconds in which the capacity is measured, at most: a tenth of the whole is enough."""
FLAT = 1.25
"""How much more memory the last life of the server may take at its end than an early one, with 8 MiB to spare."""
GONE = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)
"""What a client sees of a server that was killed."""


@dataclasses.dataclass
class Findings:
    """What clients saw."""

    expected: dict[str, str] = dataclasses.field(default_factory=dict)
    """By run id: the status that it must end with; ``"stopped"`` may be ``"succeeded"`` too, if it was quicker."""
    apps: dict[str, str] = dataclasses.field(default_factory=dict)
    reported: dict[str, str] = dataclasses.field(default_factory=dict)
    """By run id: the status that a client was told."""
    ways: Counter[str] = dataclasses.field(default_factory=Counter)
    errors: list[str] = dataclasses.field(default_factory=list)
    memory: list[float] = dataclasses.field(default_factory=list)
    """MiB at the end of each life of the server."""


def failing() -> dict[str, Any]:
    """A workflow whose second node fails: nothing listens at port 1."""
    fetch = node(
        "call",
        "http-request",
        method="get",
        url="http://127.0.0.1:1/",
        authorization={"type": "no-auth", "config": None},
        headers="",
        params="",
        body={"type": "none", "data": []},
        retry_config={"retry_enabled": False, "max_retries": 0, "retry_interval": 0},
    )
    end = node("end", "end", outputs=[{"variable": "b", "value_selector": ["call", "body"]}])
    return document("failing", [node("start", "start", variables=[]), fetch, end], ["start --> call", "call --> end"])


class Life:
    """The server, from a launch to a kill."""

    def __init__(self, home: Path, workers: int, dice: random.Random) -> None:
        own = {"JIKKO_HOME": str(home), "JIKKO_HTTP_ALLOW": "127.0.0.0/8", "JIKKO_WORKERS": str(workers)}
        environment = {**os.environ, **own}
        self._workers = workers
        self._dice = dice
        self._command = [sys.executable, "-m", "jikko"]
        self._environment = environment
        self.url = ""

    async def published(self, files: list[Path]) -> dict[str, str]:
        process = await asyncio.create_subprocess_exec(
            *self._command, "apps", "import", *files, "--json", env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return {Path(entry["file"]).stem: entry["api_key"] for entry in map(json.loads, out.splitlines())}

    async def launch(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, "serve", "--port", "0", env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if found := re.search(rb"serves (http://[\d.:]+)", line):
                self.url = found[1].decode()
                return
        raise RuntimeError("the server did not start")

    def memory(self) -> float:
        return sum(map(pss, tree(self._process.pid)))

    async def kill(self) -> None:
        """Kill the server and launch it again, or a worker, which the server does by itself."""
        if self._workers > 1:
            os.kill(await self._some_worker(), signal.SIGKILL)
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


class Client:
    """One of the crowd."""

    def __init__(self, life: Life, keys: dict[str, str], findings: Findings, dice: random.Random) -> None:
        self._life = life
        self._keys = keys
        self._findings = findings
        self._dice = dice
        self._url = ""

    async def work(self, until: float, every: float = 0.0) -> None:
        """Do one thing after the other.

        Args:
            every: Seconds from the beginning of one to that of the next, at least.
        """
        due = time.monotonic() + self._dice.random() * every
        ways = (self.block, self.stream, self.accept, self.stop, self.leave, self.fail)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            while time.monotonic() < until:
                way = self._dice.choice(ways)
                # Kept: while the server is launched anew, there is none.
                self._url = self._life.url or self._url
                if self._life.url:
                    try:
                        await way(session)
                        self._findings.ways[way.__name__] += 1
                    except GONE:
                        self._findings.ways["cut off by a kill"] += 1
                    except Exception as error:
                        self._findings.errors.append(f"{way.__name__}: {type(error).__name__}: {error}")
                # What was missed while there was no server is not made up for.
                due = max(due + every, time.monotonic() - every)
                await asyncio.sleep(max(0.0 if self._life.url else 0.05, due - time.monotonic()))

    def _post(self, session: aiohttp.ClientSession, app: str, mode: str) -> Any:
        body = {"inputs": {"q": "hello"}, "user": "soak", "response_mode": mode}
        headers = {"Authorization": f"Bearer {self._keys[app]}"}
        return session.post(f"{self._url}/v1/workflows/run", json=body, headers=headers)

    def _saw(self, run_id: str, app: str, status: str) -> str:
        self._findings.expected[run_id] = status
        self._findings.apps[run_id] = app
        return run_id

    async def block(self, session: aiohttp.ClientSession, app: str = "chain10", status: str = "succeeded") -> None:
        async with self._post(session, app, "blocking") as answer:
            body = await ok(answer, 200)
        self._findings.reported[self._saw(body["workflow_run_id"], app, status)] = body["data"]["status"]

    async def fail(self, session: aiohttp.ClientSession) -> None:
        await self.block(session, "failing", "failed")

    async def stream(self, session: aiohttp.ClientSession, leave_after: int | None = None) -> None:
        seen = 0
        async with self._post(session, "chain10", "streaming") as answer:
            async for line in answer.content:
                if line.startswith(b"data: "):
                    message = json.loads(line[6:])
                    run_id = self._saw(message["workflow_run_id"], "chain10", "succeeded")
                    seen += 1
                    if message["event"] == "workflow_finished":
                        self._findings.reported[run_id] = message["data"]["status"]
                    if seen == leave_after:
                        answer.close()
                        return

    async def leave(self, session: aiohttp.ClientSession) -> None:
        await self.stream(session, self._dice.randint(1, 5))

    async def accept(self, session: aiohttp.ClientSession) -> str:
        async with self._post(session, "chain10", "async") as answer:
            return self._saw((await ok(answer, 202))["workflow_run_id"], "chain10", "succeeded")

    async def stop(self, session: aiohttp.ClientSession) -> None:
        run_id = await self.accept(session)
        self._findings.expected[run_id] = "stopped"
        headers = {"Authorization": f"Bearer {self._keys['chain10']}"}
        url = f"{self._url}/v1/workflows/run/{run_id}/stop"
        async with session.post(url, json={"user": "soak"}, headers=headers) as answer:
            await ok(answer, 200)


async def ok(answer: aiohttp.ClientResponse, status: int) -> Any:
    body = await answer.text()
    if answer.status != status:
        raise RuntimeError(f"{answer.status} {body[:200]}")
    return json.loads(body)


async def lost(life: Life, keys: dict[str, str], findings: Findings) -> list[str]:
    """What is wrong with the runs that clients were told of."""
    wrong: list[str] = []
    left = iter(findings.expected.items())

    async def look(session: aiohttp.ClientSession) -> None:
        for run_id, expected in left:
            status = await ended(session, f"{life.url}/v1/workflows/run/{run_id}", keys[findings.apps[run_id]])
            allowed = {expected, "succeeded"} if expected == "stopped" else {expected}
            if status not in allowed or findings.reported.get(run_id, status) != status:
                wrong.append(f"{run_id}: is {status}, expected {expected}, reported {findings.reported.get(run_id)}")

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        await asyncio.gather(*(look(session) for _ in range(CLIENTS)))
    return wrong


async def ended(session: aiohttp.ClientSession, url: str, key: str) -> str:
    """The status of a run once it has ended; what it is after 10 s otherwise."""
    status = ""
    for _ in range(100):
        async with session.get(url, headers={"Authorization": f"Bearer {key}"}) as answer:
            status = str((await answer.json())["status"]) if answer.status == 200 else f"answer {answer.status}"
        if status != "running":
            break
        await asyncio.sleep(0.1)
    return status


async def soak(seconds: float, kill_every: float, seed: int, workers: int) -> int:
    findings, dice = Findings(), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder) / "home", workers, dice)
        files = [Path(folder) / f"{made['app']['name']}.yml" for made in (chain(10), failing())]
        for file, made in zip(files, (chain(10), failing()), strict=True):
            file.write_text(json.dumps(made))
        keys = await life.published(files)
        await life.launch()
        clients = [Client(life, keys, findings, random.Random(dice.random())) for _ in range(CLIENTS)]
        trial = min(TRIAL, seconds / 10)
        await asyncio.gather(*(client.work(time.monotonic() + trial) for client in clients))
        capacity = sum(findings.ways.values()) / trial
        figure("soak, capacity", capacity, "/s")
        findings.ways.clear()
        until = time.monotonic() + seconds
        every = CLIENTS / (LOAD * capacity)
        working = [asyncio.create_task(client.work(until, every)) for client in clients]
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(kill_every, left))
            findings.memory.append(life.memory())
            if until - time.monotonic() > 1:
                await life.kill()
        await asyncio.gather(*working)
        wrong = await lost(life, keys, findings)
        code = await life.stop()
    return report(findings, wrong, code, seconds, capacity)


def report(findings: Findings, wrong: list[str], code: int, seconds: float, capacity: float) -> int:
    """Print what was found. Returns the exit code."""
    print(
        f"Ways: {dict(findings.ways)};", f"MiB at the end of each life: {[round(held, 1) for held in findings.memory]}"
    )
    done = sum(findings.ways.values())
    figure("soak, requests", done / seconds, "/s", baseline=capacity)
    figure("soak, runs that clients were told of", len(findings.expected), "")
    figure("soak, lost or wrong runs", len(wrong), "", aim="0")
    figure("soak, errors that are not the client's", len(findings.errors), "", aim="0")
    figure("soak, memory at the end", findings.memory[-1], "MiB", baseline=findings.memory[0])
    for line in (*wrong[:10], *findings.errors[:10]):
        print(line)
    # The last life may be shorter than the first, and never much bigger.
    grown = findings.memory[-1] > findings.memory[0] * FLAT + 8
    return 1 if wrong or findings.errors or grown or code or not findings.expected else 0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=sized(10.0, 0.035))
    options.add_argument("--kill-every", type=float, default=sized(30.0, 0.8), help="seconds")
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    return asyncio.run(soak(given.minutes * 60, given.kill_every, given.seed, given.workers))


if __name__ == "__main__":
    sys.exit(main())
