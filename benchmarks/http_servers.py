"""What an HTTP server costs its own process: ours, uvicorn as it comes, and granian by ASGI and RSGI.

    pip install granian && python -m benchmarks.http_servers [--rounds 9] [--seconds 1.5] [--streams 10000]

All servers run at once and are asked in turn, so that whatever else the machine does falls on all of them. What is told
is the CPU time of the server's process for a request, over all of its threads: the median of the rounds. Then each has
N streams that wait: memory and CPU time for one, at a ping every ten seconds. Decision 14
was made from this. Granian is no dependency: it is left out if it is not installed, and all this is not part of
``make bench``.
"""

import argparse
import asyncio
import os
import resource
import signal
import socket
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.bare import answering
from benchmarks.http_runs import body, one_run
from benchmarks.load import Server, figure, imported, process, put, request, start_end
from benchmarks.sizes import sized
from jikko.assemble import assemble
from jikko.http.app import create_app
from jikko.server.http_server import serve
from jikko.server.listening import listen
from jikko.settings import Settings

KINDS: Final = ("jikko", "uvicorn", *(("granian-asgi", "granian-rsgi") if find_spec("granian") else ()))
PING: Final = sized(10.0, 0.1)
"""Seconds."""


def streaming() -> Any:
    """An ASGI application all of whose answers are streams that never end: a ping at the beginning, then at times."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        gone = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        with suppress(Exception):
            while not gone.done():
                await send({"type": "http.response.body", "body": b"event: ping\n\n", "more_body": True})
                await asyncio.wait((gone,), timeout=PING)

    return application


def by_rsgi(application: Any) -> Any:
    """An ASGI application as one of RSGI, by the shortest way: nothing is converted that ours does not look at."""

    async def rsgi(scope: Any, protocol: Any) -> None:
        name, _, port = scope.client.rpartition(":")
        asgi = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": scope.http_version,
            "method": scope.method,
            "scheme": scope.scheme,
            "path": scope.path,
            "raw_path": scope.path.encode(),
            "query_string": scope.query_string.encode(),
            "root_path": "",
            "headers": [(key.encode(), value.encode()) for key, value in scope.headers.items()],
            "client": (name, int(port)),
            "server": ("127.0.0.1", 0),
        }
        was_read, head, transport = False, {}, None

        async def receive() -> dict[str, Any]:
            nonlocal was_read
            if was_read:
                await protocol.client_disconnect()
                return {"type": "http.disconnect"}
            was_read = True
            return {"type": "http.request", "body": await protocol() if scope.method == "POST" else b""}

        async def send(message: Any) -> None:
            nonlocal transport
            if message["type"] == "http.response.start":
                head.update(message)
                return
            if transport is None:
                headers = [(key.decode(), value.decode()) for key, value in head["headers"]]
                if not message.get("more_body"):
                    protocol.response_bytes(head["status"], headers, message.get("body", b""))
                    return
                transport = protocol.response_stream(head["status"], headers)
            if message.get("body"):
                await transport.send_bytes(message["body"])

        await application(asgi, receive, send)

    return rsgi


async def by_granian(application: Any, kind: str, listening: Callable[[int], None]) -> None:
    """Serve by granian, in this event loop."""
    from granian.constants import Interfaces
    from granian.server.embed import Server as Granian

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    rsgi = kind == "granian-rsgi"
    server = Granian(
        by_rsgi(application) if rsgi else application,
        port=port,
        interface=Interfaces.RSGI if rsgi else Interfaces.ASGINL,
        backlog=2048,
        backpressure=50_000,
        websockets=False,
        log_enabled=False,
    )
    serving = asyncio.ensure_future(server.serve())
    await asyncio.sleep(0.3)
    listening(port)
    await serving


async def child(kind: str, what: str, home: str) -> None:
    """One server, with one application."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    def listening(port: int) -> None:
        print(f"listens on {port} ", flush=True)

    async def by(application: Any) -> None:
        if kind.startswith("granian"):
            await by_granian(application, kind, listening)
            return
        [listens] = listen("127.0.0.1", 0)

        async def ready() -> None:
            listening(listens.getsockname()[1])

        async def stopping(_: bool, drain: object) -> None: ...

        if kind == "jikko":
            await serve(application, listens, ready=ready, stopping=stopping)
            return
        import uvicorn

        config = uvicorn.Config(application, log_level="warning", access_log=False, server_header=False, lifespan="off")
        serving = asyncio.ensure_future(uvicorn.Server(config).serve([listens]))
        await ready()
        await serving

    if what == "bare":
        await by(answering(b"x" * 1200))
    elif what == "streams":
        await by(streaming())
    else:
        async with assemble(Settings(home=Path(home))) as assembly:
            await by(create_app(assembly))


def cpu(pid: int) -> float:
    """Seconds of CPU time that a process has used, with the kernel's share."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Bytes of memory that a process has (RSS)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


Measure = Callable[[], Awaitable[float]]


async def a_request(pid: int, port: int, wanted: bytes, clients: int, seconds: float) -> float:
    """Microseconds of CPU time for one request."""
    before = cpu(pid)
    load = await put(port, wanted, clients=clients, seconds=seconds)
    return (cpu(pid) - before) / (load.per_second * seconds) * 1e6


async def idle_streams(kind: str, pid: int, port: int, count: int) -> None:
    """N streams at once: what each holds, and what the pings of a minute take."""
    before = memory(pid)
    streams = []
    for _ in range(-(-count // 250)):
        opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(min(count, 250))))
        for reader, writer in opened:
            writer.write(request("GET", "/"))
            streams.append((reader, writer))
        await asyncio.gather(*(reader.readuntil(b"ping") for reader, _ in opened))
    held = memory(pid) - before
    began = cpu(pid)
    await asyncio.sleep(3 * PING)
    figure(f"{kind}: memory of an idle stream", held / count / 1024, "KiB")
    figure(f"{kind}: CPU for a ping", (cpu(pid) - began) / 3 / count * 1e6, "us")
    # Some would wait for their streams to end.
    os.kill(pid, signal.SIGKILL)


async def main(rounds: int, seconds: float, streams: int) -> None:
    """Measure all."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    def started(stack: ExitStack, kind: str, what: str, home: str = "") -> tuple[int, int]:
        command = [sys.executable, "-m", "benchmarks.http_servers", "--serve", kind, what, home]
        return stack.enter_context(process(command, r"listens on (\d+) ", dict(os.environ)))

    with ExitStack() as stack:
        measures: list[tuple[str, str, Measure]] = []
        for kind in KINDS:
            bare = started(stack, kind, "bare")
            get = request("GET", "/")
            measures += [(f"bare, {n}", kind, partial(a_request, *bare, get, n, seconds)) for n in (1, 32)]
            home = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "home"
            keys = {name: app.key for name, app in imported(home, start_end()).items()}
            pid, port = started(stack, kind, "api", str(home))
            run_id, _ = one_run(Server(port, pid, keys), "start_end")
            detail = request("GET", f"/v1/workflows/run/{run_id}", keys["start_end"])
            blocking, streamed = (
                request("POST", "/v1/workflows/run", keys["start_end"], body(mode))
                for mode in ("blocking", "streaming")
            )
            for name, wanted, clients in (
                ("GET run detail, 1", detail, 1),
                ("GET run detail, 32", detail, 32),
                ("blocking run, 32", blocking, 32),
                ("streamed run, 32", streamed, 32),
            ):
                measures.append((name, kind, partial(a_request, pid, port, wanted, clients, seconds)))
        measures.sort(key=lambda measure: measure[0])
        for number in range(rounds + 1):
            for name, kind, measure in measures if number % 2 else reversed(measures):
                value = await measure()
                if number:  # the first round warms up
                    found[name, kind].append(value)
        for (name, kind), values in sorted(found.items()):
            ours = statistics.median(found[name, KINDS[0]])
            figure(f"{name}: {kind}", statistics.median(values), "us", baseline=None if kind == KINDS[0] else ours)
    for kind in KINDS if streams else ():
        with ExitStack() as stack:
            await idle_streams(kind, *started(stack, kind, "streams"), streams)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=sized(9, 1))
    parser.add_argument("--seconds", type=float, default=sized(1.5, 0.02))
    parser.add_argument("--streams", type=int, default=sized(10_000, 10))
    parser.add_argument("--serve", nargs=3, metavar=("KIND", "WHAT", "HOME"))
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(child(*arguments.serve))
    else:
        uvloop.run(main(arguments.rounds, arguments.seconds, arguments.streams))
