"""A server under test in a process of its own, and a client that costs little, to put load on it."""

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from benchmarks.sizes import TINY, sized

if TYPE_CHECKING:
    from tests.acceptance.warm_commands import WarmCommand

Node = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    port: int
    pid: int
    keys: dict[str, str]
    """By name of the app."""


@dataclass(frozen=True)
class App:
    """An app of a data folder."""

    id: str
    key: str


def settings(home: Path, **more: str) -> dict[str, str]:
    """The environment of a Jikko with that data folder. Its log has no line for each run: it goes to the terminal."""
    own = {"JIKKO_HOME": str(home), "JIKKO_HTTP_ALLOW": "127.0.0.0/8", "JIKKO_LOG_RUNS": "false"}
    return {**os.environ, **own, **more}


def imported(home: Path, *documents: dict[str, Any], python: str = sys.executable, **more: str) -> dict[str, App]:
    """Import apps into a data folder. By name.

    Args:
        python: Whose Jikko does it.
    """
    home.mkdir(exist_ok=True)
    files: list[Path] = []
    for document in documents:
        files.append(home / f"{document['app']['name']}.yml")
        files[-1].write_text(json.dumps(document))
    command = [python, "-m", "jikko", "apps", "import", *map(str, files), "--json"]
    with tempfile.TemporaryFile("w+b") as out:
        if code := begun(command, settings(home, **more), out, None).wait(60):
            raise RuntimeError(f"{command} ended with {code}")
        out.seek(0)
        entries = [json.loads(line) for line in out]
    return {Path(entry["file"]).stem: App(entry["app_id"], entry["api_key"]) for entry in entries}


@contextlib.contextmanager
def serving(home: Path, *, python: str = sys.executable, **more: str) -> Iterator[tuple[int, int]]:
    """Serve a data folder. Yields process id and port."""
    command = [python, "-m", "jikko", "serve", "--port", "0"]
    with process(command, r"serves http://[\d.]+:(\d+)", settings(home, **more)) as found:
        yield found


@contextlib.contextmanager
def jikko(*documents: dict[str, Any], python: str = sys.executable, **more: str) -> Iterator[Server]:
    """A fresh Jikko with these apps, and these settings; that of another Python is of another version."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        apps = imported(home, *documents, python=python, **more)
        with serving(home, python=python, **more) as (pid, port):
            yield Server(port, pid, {name: app.key for name, app in apps.items()})


def begun(
    command: Sequence[str], environment: dict[str, str], out: IO[bytes], log: IO[bytes] | None
) -> "subprocess.Popen[bytes] | WarmCommand":
    """Start a command. Tiny benchmarks, whose figures are not read, fork Jikko if ``BENCH_WARM`` names what to fork."""
    if TINY and (folder := os.environ.get("BENCH_WARM")) and command[:3] == [sys.executable, "-m", "jikko"]:
        from tests.acceptance.warm_commands import forked  # only where tests ask for it

        with open(os.devnull, "rb") as nothing:
            return forked(Path(folder), command[2:], environment, nothing, out, log or sys.stderr.fileno())
    return subprocess.Popen(command, stdout=out, stderr=log, env=environment)


@contextlib.contextmanager
def process(command: Sequence[str], ready: str, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """A process that says on a line on which port it listens. Yields process id and port."""
    read, written = os.pipe()
    with open(read, "rb") as lines:
        with open(written, "wb") as out, open(os.devnull, "wb") as nothing:
            # A line for each run is no use on a terminal.
            child = begun(command, environment, out, nothing if environment.get("JIKKO_LOG_RUNS") == "true" else None)
        found = next((found for line in lines if (found := re.search(ready, line.decode()))), None)
        if found is None:
            child.wait(20)
            raise RuntimeError(f"{command} did not start")
        try:
            yield child.pid, int(found[1])
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(20)


@dataclass(frozen=True)
class Load:
    """What a load showed."""

    count: int
    """Requests that were answered."""
    per_second: float
    median: float
    """Seconds from request to the end of the answer."""
    first: float
    """Median seconds to the second piece of an answer; of a stream that is its first event."""
    p99: float
    most: float
    """Seconds of the slowest."""


def request(method: str, path: str, key: str = "", body: bytes = b"") -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Client(asyncio.Protocol):
    """One connection that sends requests, one behind the other."""

    def __init__(self, wanted: Iterator[bytes], until: float, done: "asyncio.Future[None]") -> None:
        self._wanted = wanted
        self._until = until
        self._done = done
        self._buffer = bytearray()
        self._ends = 0
        self._usual = 0
        """Bytes of the answer before, which the next one most often has too: then it need not be looked into."""
        self._began = 0.0
        self._first = 0.0
        self.durations: list[float] = []
        self.firsts: list[float] = []

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._buffer.clear()
        self._ends, self._first = 0, 0.0
        self._began = time.perf_counter()
        self._transport.write(next(self._wanted))

    def data_received(self, data: bytes) -> None:
        if not self._buffer and len(data) == self._usual:
            self._answered()
            return
        self._buffer += data
        if not self._first and b"data: " in self._buffer:
            self._first = time.perf_counter() - self._began
        if not self._is_whole():
            return
        assert self._buffer.startswith(b"HTTP/1.1 20"), self._buffer[:300]
        self._usual = self._ends
        self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self.durations.append(now - self._began)
        self.firsts.append(self._first)
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def _is_whole(self) -> bool:
        if not self._ends:
            behind_head = self._buffer.find(b"\r\n\r\n") + 4
            if behind_head == 3:
                return False
            length = re.search(rb"content-length: (\d+)", self._buffer[:behind_head])
            self._ends = behind_head + int(length[1]) if length else -1
        return len(self._buffer) >= self._ends if self._ends > 0 else self._buffer.endswith(b"0\r\n\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def put(port: int, *wanted: bytes, clients: int, seconds: float) -> Load:
    """Let clients send requests in turn, again and again, each over a connection of its own."""
    loop, requests = asyncio.get_running_loop(), itertools.cycle(wanted)
    seconds = sized(seconds, min(seconds, 0.05))
    began = time.perf_counter()
    waiting, protocols = [], []
    for _ in range(clients):
        done: asyncio.Future[None] = loop.create_future()
        client = partial(_Client, requests, began + seconds, done)
        _, protocol = await loop.create_connection(client, "127.0.0.1", port)
        waiting.append(done)
        protocols.append(protocol)
    try:
        await asyncio.gather(*waiting)
    finally:
        for protocol in protocols:
            protocol.close()
    durations = [duration for protocol in protocols for duration in protocol.durations]
    firsts = [first for protocol in protocols for first in protocol.firsts if first]
    return Load(
        len(durations),
        len(durations) / (time.perf_counter() - began),
        statistics.median(durations),
        statistics.median(firsts) if firsts else 0.0,
        sorted(durations)[int(len(durations) * 0.99)],
        max(durations),
    )


def figure(name: str, value: float, unit: str, *, baseline: float | None = None, aim: str = "") -> None:
    """Print a figure as ``scripts/bench.py`` reads it."""
    found: dict[str, Any] = {"name": name, "value": round(value, 3), "unit": unit, "aim": aim}
    if baseline:
        found |= {"baseline": round(baseline, 3), "ratio": round(value / baseline, 3)}
    print(json.dumps(found), flush=True)


def document(name: str, nodes: list[Node], edges: list[str]) -> dict[str, Any]:
    """A DSL file. Edges are ``"a --> b"`` or ``"a --handle--> b"``."""
    found = []
    for text in edges:
        source, *handle, target = (part for raw in text.split("--") if (part := raw.strip(" >")))
        found.append({"source": source, "target": target, "sourceHandle": handle[0] if handle else "source"})
    return {
        "version": "0.6.0",
        "kind": "app",
        "app": {"name": name, "mode": "workflow"},
        "workflow": {"graph": {"nodes": nodes, "edges": found}},
    }


def node(node_id: str, kind: str, **data: Any) -> Node:
    """A node of a file."""
    return {"id": node_id, "type": "custom", "data": {"type": kind, "title": node_id, **data}}


def start_end() -> dict[str, Any]:
    """Two nodes."""
    return document("start_end", [_start(), _end(["start", "q"])], ["start --> end"])


def chain(length: int) -> dict[str, Any]:
    """If-else and aggregators in turn, N nodes in all."""
    nodes, edges, previous = [_start()], [], "start"
    for index in range(length - 2):
        name = f"n{index}"
        if index % 2 == 0:
            condition = {"variable_selector": ["start", "q"], "comparison_operator": "contains", "value": "e"}
            case = {"case_id": "true", "logical_operator": "and", "conditions": [condition]}
            nodes.append(node(name, "if-else", cases=[case]))
        else:
            nodes.append(node(name, "variable-aggregator", output_type="string", variables=[["start", "q"]]))
        edges.append(f"{previous} --{'true' if index % 2 else 'source'}--> {name}")
        previous = name
    handle = "true" if previous.startswith("n") and int(previous[1:]) % 2 == 0 else "source"
    return document(f"chain{length}", [*nodes, _end(["start", "q"])], [*edges, f"{previous} --{handle}--> end"])


def _start() -> Node:
    variable = {"variable": "q", "label": "q", "type": "paragraph", "required": False}
    return node("start", "start", variables=[variable])


def _end(selector: list[str]) -> Node:
    return node("end", "end", outputs=[{"variable": "q", "value_selector": selector}])
