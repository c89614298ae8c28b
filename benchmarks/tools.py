"""What tool nodes cost beside nodes that do about the same, and what a server without tools pays for them.

    python -m benchmarks.tools

Runs are made in this process; CPU is that of this process, so that the sandbox's own, which a built-in tool does not
need, is not counted for the template. The other server (an API, an echo) is a process of its own. Pairs take turns, and
that whose ratio is the median counts. Memory is reclaimed as in a server: with Python's own thresholds, what counts is
how many objects of ended runs the store in memory keeps.
"""

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.acceptance.workflows import app, end, fetch, node, start, template

from benchmarks.load import figure
from benchmarks.sizes import sized
from jikko.assemble import Assembly, assemble
from jikko.runs.runs import StartRequest
from jikko.settings import Settings

RUNS = sized(100, 2)
"""Of a round."""
ROUNDS = sized(20, 1)
SERVER = """
import asyncio, sys
BODY = b'{"hello": "world", "items": [' + b", ".join(b'{"id": %d, "name": "item"}' % n for n in range(20)) + b"]}"
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(BODY)
async def serve(reader, writer):
    try:
        while await reader.readuntil(b"\\r\\n\\r\\n"):
            writer.write(HEAD + BODY)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
Run = Callable[[], Awaitable[None]]


def tool(kind: str, provider: str, name: str, **values: str) -> dict[str, Any]:
    given = {key: {"type": "mixed", "value": value} for key, value in values.items()}
    named = {"provider_type": kind, "provider_id": provider, "provider_name": provider, "tool_name": name}
    return node("middle", "tool", **named, tool_parameters=given, tool_configurations={}, tool_node_version="2")


def workflow(name: str, middle: dict[str, Any], output: str) -> str:
    nodes = [start("q"), middle, end(result=f"middle.{output}")]
    return app(name, nodes, "start>middle middle>end")


def _fetch(url: str) -> dict[str, Any]:
    request = fetch("middle", f"{url}/echo")
    return {**request, "data": {**request["data"], "params": "q: {{#start.q#}}"}}


def apps(url: str) -> dict[str, str]:
    return {
        "template": workflow("template", template("middle", "It is {{ q }}.", q="start.q"), "output"),
        "built-in tool": workflow(
            "built-in tool", tool("builtin", "time", "timezone_conversion", current_time="{{#start.q#}}"), "text"
        ),
        "http-request": workflow("http-request", _fetch(url), "body"),
        "API tool": workflow("API tool", tool("api", "echo", "echo", q="{{#start.q#}}"), "text"),
    }


async def run_of(assembly: Assembly, text: str, name: str) -> Run:
    published = await assembly.apps.publish(text.encode(), source=name)

    async def run() -> None:
        live = await assembly.runs.start(published.app, StartRequest(inputs={"q": "2024-07-01 23:00:00"}, user="bench"))
        ended = await live.ended()
        assert getattr(ended, "status", "") == "succeeded", ended

    return run


async def cpu(run: Run) -> float:
    """Microseconds of CPU a run."""
    began = time.process_time()
    for _ in range(RUNS):
        await run()
    return (time.process_time() - began) / RUNS * 1e6


async def compared(one: Run, other: Run) -> tuple[float, float]:
    """Both, in turns."""
    for run in (one, other):
        await run()
    found = [(await cpu(one), await cpu(other)) for _ in range(ROUNDS)]
    return sorted(found, key=lambda pair: pair[0] / pair[1])[ROUNDS // 2]


async def measure(url: str, folder: Path) -> None:
    schema = {
        "openapi": "3.0.3",
        "servers": [{"url": url}],
        "paths": {
            "/echo": {
                "get": {
                    "operationId": "echo",
                    "parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}],
                }
            }
        },
    }
    file = folder / "tools.yml"
    file.write_text(json.dumps({"tools": {"echo": {"type": "api", "schema": json.dumps(schema)}}}))
    settings = Settings(home=folder, tools=file, http_allow=("127.0.0.0/8",))
    async with assemble(settings, in_memory=True, environment={}) as assembly:
        runs = {name: await run_of(assembly, text, name) for name, text in apps(url).items()}
        for name, baseline, aim in (("built-in tool", "template", 1.2), ("API tool", "http-request", 1.1)):
            mine, its = await compared(runs[name], runs[baseline])
            figure(f"{name} by {baseline}, CPU a run", mine, "µs", baseline=its, aim=f"≤ {aim} x")
        await assembly.runs.close(10)


def modules() -> int:
    """How many modules a server without tools loads for them: those of MCP and its HTTP client."""
    theirs = "('mcp', 'mcp_types', 'httpx2')"
    code = f"import sys, jikko.assemble; print(sum(name.split('.')[0] in {theirs} for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    gc.set_threshold(50_000, 20, 50)
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(measure(f"http://127.0.0.1:{port}", Path(folder)))
        finally:
            server.terminate()
    figure("modules of MCP that are loaded without tools", modules(), "", aim="0")


if __name__ == "__main__":
    main()
