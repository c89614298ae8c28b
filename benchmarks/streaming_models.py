"""How many runs can stream from a model at once, and what a streamed token costs on its way to the client.

    python benchmarks/streaming_models.py [runs, default 1000]

Three processes: a fake model that takes 2 s for 20 tokens, the server under test (Jikko, or a proxy that only
hands bytes on), and this one as all its clients. What the two others need of the processors is in the way of Jikko too.

    python benchmarks/streaming_models.py paced [streams …, default 1 100 300 1000]

Streams at 20 tokens a second, in turns with a bare proxy that decodes each chunk and encodes a frame of it
(``bare_streams.py``): processor time, transactions and frames a token, and how much later a client reads it than the
model wrote it. ``JIKKO_TEXT_SECONDS=0`` writes each token by itself.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.footprint import cpu_seconds
from benchmarks.load import process, request
from benchmarks.sizes import sized

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else sized(1000, 4)
TOKENS = 20
SECONDS = sized(2.0, 0.2)
MANY = sized(2000, 50)
"""Tokens of an answer that comes as fast as it can, for the cost of one."""
PACED = sized(100, 3)
"""Tokens of an answer that comes at a model's pace."""
PACE = sized(0.05, 0.2)
"""Seconds from one of them to the next."""
STREAMS = sized((1, 100, 300, 1000), (1, 2))
"""How many such answers come at once."""
WORKFLOW = """
app: {name: streaming, mode: workflow}
kind: app
version: 0.6.0
workflow:
  graph:
    nodes:
    - id: start
      data: {type: start, title: Start, variables: [{variable: s, label: s, type: paragraph, required: false}]}
    - id: m
      data:
        type: llm
        title: Model
        model: {provider: openai, name: fake, mode: chat, completion_params: {}}
        prompt_template: [{role: user, text: "{{#start.s#}}"}]
        context: {enabled: false, variable_selector: []}
        vision: {enabled: false}
    - id: end
      data: {type: end, title: End, outputs: [{variable: answer, value_selector: [m, text]}]}
    edges:
    - {id: a, source: start, target: m, sourceHandle: source}
    - {id: b, source: m, target: end, sourceHandle: source}
"""
CHAT = (
    WORKFLOW.replace("name: streaming, mode: workflow", "name: chat, mode: advanced-chat")
    .replace("{{#start.s#}}", "{{#sys.query#}}")
    .replace(
        "type: end, title: End, outputs: [{variable: answer, value_selector: [m, text]}]",
        "type: answer, title: End, answer: '{{#m.text#}}'",
    )
)
"""The same as a chat app."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class Cost(NamedTuple):
    """What a round of streams took."""

    seconds: float
    cpu: float
    """Seconds of the server under test."""
    first: float
    """Seconds until the last client had its first token."""


# The fake model and the bare proxy: each a process of its own.


async def fake_model(port: int) -> None:
    """Answers chats: 20 tokens in 2 s, or 2000 at once if the prompt says ``many``. One whose prompt says ``behind gate
    1`` waits for a request that says ``open gate 1``."""

    def event(text: str, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(whole).encode() + b"\n\n"

    gates: dict[bytes, asyncio.Event] = defaultdict(asyncio.Event)
    token = event("token ")
    end = event("", "stop") + b"data: [DONE]\n\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            writer.write(HEAD)
            if opened := re.search(rb"open gate (\d+)", body):
                gates[opened[1]].set()
                return
            if behind := re.search(rb"behind gate (\d+)", body):
                await gates[behind[1]].wait()
            many = b"many" in body
            for _ in range(PACED if b"paced" in body else 0):
                writer.write(event(f"t{time.monotonic_ns()} "))
                await asyncio.sleep(PACE)
            for _ in range(0 if b"paced" in body else MANY if many else TOKENS):
                writer.write(token)
                await (asyncio.sleep(0) if many else asyncio.sleep(SECONDS / TOKENS))
                await writer.drain()
            writer.write(end)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


async def bare_proxy(port: int, model: int) -> None:
    """Hands a request to the model and its answer back, without looking at either."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            upstream, downstream = await asyncio.open_connection("127.0.0.1", model)
            downstream.write(head + body)
            while received := await upstream.read(65536):
                writer.write(received)
                await writer.drain()
            downstream.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


# The clients.


async def one(port: int, path: str, key: str, text: str, expected: int) -> float:
    """Stream one answer. Returns the moment of the first token."""
    asked = {"inputs": {"s": text}, "query": text, "messages": [{"content": text}]}
    body = json.dumps(asked | {"response_mode": "streaming", "user": "bench"}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(closing(request("POST", path, key, body)))
    first = 0.0
    count = 0
    rest = b""
    while received := await reader.read(65536):
        rest += received
        found = rest.count(b"token ")
        if found and not first:
            first = time.perf_counter()
        count += found
        # Its end may be the beginning of one.
        rest = rest[-5:] if not rest.endswith(b"token ") else b""
    writer.close()
    if count < expected:
        raise RuntimeError(f"{count} tokens instead of {expected}")
    return first


async def measure(server: "Server", path: str, key: str, runs: int, text: str, tokens: int) -> Cost:
    before, began = server.cpu(), time.perf_counter()
    firsts = await asyncio.gather(*(one(server.port, path, key, text, tokens) for _ in range(runs)))
    return Cost(time.perf_counter() - began, server.cpu() - before, max(firsts) - began)


class Paced(NamedTuple):
    """What tokens took that came at a model's pace."""

    cpu: float
    """Seconds of the server under test, a token."""
    frames: float
    """Frames a token."""
    late: list[float]
    """Seconds from the model's write to the client's read, of each token, in order."""

    def percentile(self, part: float) -> float:
        return self.late[int(part * (len(self.late) - 1))]


async def read_paced(
    port: int, asked: bytes, late: list[float], begun: Callable[[], Awaitable[object]] | None = None
) -> int:
    """Send a request, and read its stream to the end. Returns how many frames had tokens, and notes when each came.
    ``begun``: Awaited after the first frame."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    rest, frames = b"", 0
    while received := await reader.read(65536):
        now = time.monotonic_ns()
        *whole, rest = (rest + received).split(b"\n\n")
        if whole and begun:
            await begun()
            begun = None
        for frame in whole:
            if b'"event":"text_chunk"' in frame and (found := re.findall(rb"t(\d+) ", frame)):
                late.extend((now - int(at)) / 1e9 for at in found)
                frames += 1
    writer.close()
    return frames


def closing(asked: bytes) -> bytes:
    """A request that is the last one of its connection."""
    return asked.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


async def paced(server: "Server", key: str, streams: int) -> Paced:
    late: list[float] = []
    body = json.dumps({"inputs": {"s": "paced"}, "response_mode": "streaming", "user": "bench"}).encode()
    asked = closing(request("POST", "/v1/workflows/run", key, body))
    before = server.cpu()
    frames = sum(await asyncio.gather(*(read_paced(server.port, asked, late) for _ in range(streams))))
    if len(late) != streams * PACED:
        raise RuntimeError(f"{len(late)} tokens instead of {streams * PACED}")
    return Paced((server.cpu() - before) / len(late), frames / len(late), sorted(late))


class Server:
    """A process under test."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    def cpu(self) -> float:
        """Seconds that it has used of the processors."""
        return cpu_seconds(self.pid)

    def peak_memory(self) -> float:
        """MiB that it ever held."""
        [line] = [x for x in Path(f"/proc/{self.pid}/status").read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) / 1024


@contextmanager
def running(*command: str, port: int, **environment: str) -> Iterator[Server]:
    with subprocess.Popen([sys.executable, *command], env={**os.environ, **environment}, stdout=sys.stderr) as started:
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield Server(started.pid, port)
        finally:
            started.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def show(name: str, value: float, unit: str, **more: Any) -> None:
    print(json.dumps({"name": name, "value": round(value, 2), "unit": unit, **more}), flush=True)


def main(counts: tuple[int, ...] = ()) -> None:
    """Measure. ``counts``: only streams that are paced, that many at once."""
    model_port, proxy_port, jikko_port, metrics_port = free_port(), free_port(), free_port(), free_port()
    me = __file__
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        providers = home / "providers.yml"
        entry = {"type": "openai", "base_url": f"http://127.0.0.1:{model_port}/v1", "api_key": "k"}
        providers.write_text(json.dumps({"providers": {"openai": entry}}))
        files = [home / "streaming.yml", home / "chat.yml"]
        for file, text in zip(files, (WORKFLOW, CHAT), strict=True):
            file.write_text(text)
        environment = {
            "JIKKO_HOME": str(home / "data"),
            "JIKKO_PROVIDERS": str(providers),
            "JIKKO_METRICS_PORT": str(metrics_port),
        }
        imported = subprocess.run(
            [sys.executable, "-m", "jikko", "apps", "import", *map(str, files), "--json"],
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
        )
        key, chat_key = (json.loads(line)["api_key"] for line in imported.stdout.splitlines())
        serve = ("-m", "jikko", "serve", "--host", "127.0.0.1", "--port", str(jikko_port))
        with (
            running(me, "model", str(model_port), port=model_port),
            running(me, "proxy", str(proxy_port), str(model_port), port=proxy_port) as proxy,
            process(
                [sys.executable, "-m", "benchmarks.bare_streams", str(model_port)], r"listens on (\d+)", {**os.environ}
            ) as (bare_pid, bare_port),
            running(*serve, port=jikko_port, **environment) as jikko,
        ):
            if not counts:
                asyncio.run(compare(jikko, proxy, key, chat_key))
            asyncio.run(compare_paced(jikko, Server(bare_pid, bare_port), key, counts or STREAMS, metrics_port))


async def compare(jikko: Server, proxy: Server, key: str, chat_key: str) -> None:
    path, chat = "/v1/workflows/run", "/v1/chat/completions"
    # Imports and the first connections are not what is measured.
    await measure(jikko, path, key, 4, "hello", TOKENS)
    await measure(proxy, chat, key, 4, "hello", TOKENS)
    bare = await measure(proxy, chat, key, RUNS, "hello", TOKENS)
    mine = await measure(jikko, path, key, RUNS, "hello", TOKENS)
    show(f"{RUNS} runs at once, all ended", mine.seconds, "s", baseline=round(bare.seconds, 2), aim="<= 4")
    show(f"{RUNS} runs at once, first token of the last", mine.first, "s", baseline=round(bare.first, 2))
    show(f"{RUNS} runs at once, peak memory", jikko.peak_memory(), "MiB", aim="<= 300")
    show(
        f"{RUNS} runs at once, processor per run",
        mine.cpu / RUNS * 1000,
        "ms",
        baseline=round(bare.cpu / RUNS * 1000, 2),
    )
    turns = "/v1/chat-messages"
    await measure(jikko, turns, chat_key, 4, "hello", TOKENS)
    asked = await measure(jikko, turns, chat_key, RUNS, "hello", TOKENS)
    show(f"{RUNS} turns of chats at once, all ended", asked.seconds, "s", baseline=round(mine.seconds, 2), aim="<= 4")
    show(f"{RUNS} turns at once, first token of the last", asked.first, "s", baseline=round(mine.first, 2))
    turn, run = asked.cpu / RUNS * 1000, mine.cpu / RUNS * 1000
    show(f"{RUNS} turns at once, processor per turn", turn, "ms", baseline=round(run, 2), ratio=round(turn / run, 2))
    await cost_of_a_token(jikko, proxy, key)


async def cost_of_a_token(jikko: Server, proxy: Server, key: str) -> None:
    streams = 8
    bare = await measure(proxy, "/v1/chat/completions", key, streams, "many", MANY)
    mine = await measure(jikko, "/v1/workflows/run", key, streams, "many", MANY)
    count = streams * MANY
    each, least = mine.cpu / count * 1e6, bare.cpu / count * 1e6
    show("processor per token", each, "us", baseline=round(least, 2), ratio=round(each / max(least, 0.01), 1))
    show("overhead per token", each - least, "us", aim="<= 60")


async def compare_paced(jikko: Server, bare: Server, key: str, counts: tuple[int, ...], metrics_port: int) -> None:
    for server in (jikko, bare):  # what is imported and connected first is not measured
        await paced(server, key, 1)
    for streams in counts:
        theirs = await paced(bare, key, streams)
        began = transactions(metrics_port)
        mine = await paced(jikko, key, streams)
        name, tokens = f"{streams} paced streams", streams * PACED
        written = transactions(metrics_port) - began
        show(f"{name}, processor per token", mine.cpu * 1e6, "us", **against(mine.cpu * 1e6, theirs.cpu * 1e6))
        show(f"{name}, transactions per token", written / tokens, "")
        show(f"{name}, frames per token", mine.frames, "", baseline=round(theirs.frames, 2))
        for part in (0.5, 0.99):
            late, base = mine.percentile(part) * 1000, theirs.percentile(part) * 1000
            show(f"{name}, p{part * 100:g} behind the model", late, "ms", **against(late, base))


def against(value: float, base: float) -> dict[str, float]:
    return {"baseline": round(base, 2), "ratio": round(value / max(base, 0.01), 1)}


def transactions(metrics_port: int) -> float:
    """How many the server's record has made since it began."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
        found = re.findall(r"^jikko_store_commit_seconds_count\S* (\S+)", answer.read().decode(), re.MULTILINE)
    return sum(map(float, found))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["model", port]:
            asyncio.run(fake_model(int(port)))
        case ["proxy", port, model]:
            asyncio.run(bare_proxy(int(port), int(model)))
        case ["paced", *counts]:
            main(tuple(map(int, counts)) or STREAMS)
        case _:
            main()
