"""What a small app notices of another's work: the time of its runs, quiet and beside each kind of heavy work.

Each line is one kind of work, on a server of its own: runs of start -> end by one client, first quiet, then while the
work goes on, and how much the server grew. Baseline of each: the quiet p99 of the same run. ``--only NAME`` runs one.
"""

import asyncio
import contextlib
import gzip
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import Load, Server, document, figure, jikko, node, process, put, request, start_end

QUIET_SECONDS = 4.0
BESIDE_SECONDS = 8.0
AIM = "≤ 20 ×, ≤ 50 ms on a quiet machine"


class Work(NamedTuple):
    """One kind of heavy work."""

    app: dict[str, Any]
    inputs: Mapping[str, Any] = MappingProxyType({})
    clients: int = 1
    upstream: str = ""
    """Which endless answer its requests get."""


def code(node_id: str, text: str, **outputs: str) -> dict[str, Any]:
    declared = {name: {"type": kind, "children": None} for name, kind in outputs.items()}
    return node(node_id, "code", code_language="python3", code=text, variables=[], outputs=declared)


def template(node_id: str, text: str) -> dict[str, Any]:
    return node(node_id, "template-transform", template=text, variables=[])


def heavy(*nodes: dict[str, Any], edges: list[str], inputs: list[str] | None = None) -> dict[str, Any]:
    """An app named ``heavy``; the nodes named in ``inputs`` are texts of its start."""
    variables = [
        {"variable": name, "label": name, "type": "paragraph", "required": False, "max_length": 1 << 24}
        for name in inputs or []
    ]
    return document(
        "heavy", [node("start", "start", variables=variables), *nodes, node("end", "end", outputs=[])], edges
    )


def rounds(kind: str, first: dict[str, Any], **data: Any) -> dict[str, Any]:
    inside = {"isInIteration" if kind == "iteration" else "isInLoop": True, f"{kind}_id": "each"}
    begin = {**node("each-start", f"{kind}-start", **inside), "type": f"custom-{kind}-start", "parentId": "each"}
    inner = node("inner", "variable-aggregator", output_type="string", variables=[["start", "x"]], **inside)
    container = node("each", kind, start_node_id="each-start", **data)
    path = ["start --> first", "first --> each", "each-start --> inner", "each --> end"]
    return heavy(first, container, begin, {**inner, "parentId": "each"}, edges=path, inputs=["x"])


NUMBERS = code("first", "def main():\n    return {'r': {'a': [1] * 100000}}", r="object")
ITERATION = {
    "iterator_selector": ["first", "r", "a"],
    "output_selector": ["inner", "output"],
    "iterator_input_type": "array[number]",
    "output_type": "array[string]",
    "error_handle_mode": "terminated",
    "flatten_output": True,
}
LOOP = {"loop_count": 49_000, "break_conditions": [], "logical_operator": "and", "loop_variables": []}
CONDITION = {
    "variable_selector": ["first", "output"],
    "comparison_operator": "contains",
    "id": "c",
    "varType": "string",
}
CASE = {
    "case_id": "true",
    "logical_operator": "and",
    "conditions": [{**CONDITION, "value": "{{#first.output#}}" * 2000}],
}


def http(url: str) -> dict[str, Any]:
    about = {"authorization": {"type": "no-auth", "config": None}, "headers": "", "params": "", "timeout": {}}
    return node("first", "http-request", method="get", url=url, body={"type": "none", "data": []}, **about)


STRAIGHT = ["start --> first", "first --> end"]
REQUESTS = heavy(http("{{#start.url#}}"), edges=STRAIGHT, inputs=["url"])
ENDLESS = {
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 100),
    "chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5", b";a=b" * 1000),
}
WORKS: dict[str, Work] = {
    "a text that is expanded 2,000 times": Work(
        heavy(
            template("first", "{{ 'a' * 300000 }}"),
            node("if", "if-else", cases=[CASE]),
            edges=["start --> first", "first --> if", "if --true--> end"],
        )
    ),
    "rounds one after the other": Work(rounds("iteration", NUMBERS, is_parallel=False, **ITERATION)),
    "rounds at once": Work(rounds("iteration", NUMBERS, is_parallel=True, parallel_nums=10, **ITERATION)),
    "a loop of 49,000 rounds": Work(rounds("loop", template("first", "x"), **LOOP)),
    "results of 4 MB": Work(
        heavy(code("first", "def main():\n    return {'r': {'a': [[]] * 1390000}}", r="object"), edges=STRAIGHT)
    ),
    "results of 60,000 rows": Work(
        heavy(
            code(
                "first", "def main():\n    return {'r': {'a': [{'id': i, 'n': 'x'} for i in range(60000)]}}", r="object"
            ),
            edges=STRAIGHT,
        )
    ),
    "programs without end": Work(
        heavy(code("first", "def main():\n    while True: pass", r="object"), edges=STRAIGHT), clients=60
    ),
    "interim answers without end": Work(REQUESTS, upstream="continue"),
    "members that hold nothing": Work(REQUESTS, upstream="gzip"),
    "extensions without end": Work(REQUESTS, upstream="chunk"),
    "an input of 4 MB": Work(heavy(template("first", "x"), edges=STRAIGHT, inputs=["x"]), {"x": "界" * 1_300_000}),
}


async def upstream() -> None:
    """Answer without end, as the path says, to everybody who asks."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, again = ENDLESS[(await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode().strip("/")]
        writer.write(first)
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(again)
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def run_of(key: str, inputs: Mapping[str, Any]) -> bytes:
    body = {"inputs": dict(inputs), "user": "u", "response_mode": "blocking"}
    return request("POST", "/v1/workflows/run", key, json.dumps(body).encode())


def resident(pid: int) -> float:
    """MiB of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def most_resident(pid: int, most: list[float]) -> None:
    while True:
        most[0] = max(most[0], resident(pid))
        await asyncio.sleep(0.02)


async def beside(name: str, work: Work, server: Server, port: int) -> None:
    small = run_of(server.keys["start_end"], {"q": "hello"})
    await put(server.port, small, clients=1, seconds=0.5)
    quiet = await put(server.port, small, clients=1, seconds=QUIET_SECONDS)
    most = [before := resident(server.pid)]
    inputs = {"url": f"http://127.0.0.1:{port}/{work.upstream}"} if work.upstream else work.inputs
    wanted = run_of(server.keys["heavy"], inputs)
    others = [
        asyncio.create_task(put(server.port, wanted, clients=work.clients, seconds=10 * BESIDE_SECONDS)),
        asyncio.create_task(most_resident(server.pid, most)),
    ]
    found: Load = await put(server.port, small, clients=1, seconds=BESIDE_SECONDS)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    figure(f"beside {name}: p50", found.median * 1000, "ms", baseline=quiet.median * 1000)
    figure(f"beside {name}: p99", found.p99 * 1000, "ms", baseline=quiet.p99 * 1000, aim=AIM)
    figure(f"beside {name}: slowest", found.most * 1000, "ms", baseline=quiet.most * 1000)
    figure(f"beside {name}: memory grew by", most[0] - before, "MiB")


async def main(only: str) -> None:
    command = [sys.executable, __file__, "--upstream"]
    with process(command, r"port (\d+)", dict(os.environ)) as (_, port):
        for name, work in WORKS.items():
            if only in name:
                with jikko(start_end(), work.app) as server:
                    await beside(name, work, server, port)


if __name__ == "__main__":
    if "--upstream" in sys.argv:
        asyncio.run(upstream())
    else:
        uvloop.run(main(sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""))
