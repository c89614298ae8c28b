"""What a small app notices of another's work: the time of its runs, quiet and beside each kind of heavy work.

Each line is one kind of work, on a server of its own: runs of start -> end by one client, first quiet, then while the
work goes on, and how much the server grew. Baseline of each: the quiet p99 of the same run. ``--only NAME`` runs one.

Who does the heavy work, and the servers that it asks, are processes of their own at the lowest priority: elsewhere they
are other machines, which take no processor from the server and its small client.
"""

import asyncio
import contextlib
import gzip
import json
import os
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias
from urllib.request import Request, urlopen
from uuid import uuid4

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import Load, Server, document, figure, jikko, node, process, put, request, start_end

QUIET_SECONDS = 4.0
BESIDE_SECONDS = 8.0
LOWEST = 19
"""Priority of those who would be other machines."""
AIM = "≤ 20 ×, ≤ 50 ms on a quiet machine"


class Place(NamedTuple):
    """Where heavy work is done."""

    server: Server
    upstream: int
    """The port of the server that answers as its paths say."""

    @property
    def key(self) -> str:
        return self.server.keys["heavy"]


Drive: TypeAlias = Callable[[Place, Mapping[str, Any]], Awaitable[object]]


class Work(NamedTuple):
    """One kind of heavy work."""

    app: dict[str, Any]
    inputs: Mapping[str, Any] = MappingProxyType({})
    clients: int = 1
    upstream: str = ""
    """Which answer its requests get."""
    drive: Drive | None = None
    """What is done until it is cancelled; by default N clients run the app, again and again."""
    small: str = "start_end"
    """The small app, whose time is measured."""
    settings: Mapping[str, str] = MappingProxyType({})


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


def rounds(kind: str, first: dict[str, Any], *, each: tuple[str, str] = ("start", "x"), **data: Any) -> dict[str, Any]:
    inside = {"isInIteration" if kind == "iteration" else "isInLoop": True, f"{kind}_id": "each"}
    begin = {**node("each-start", f"{kind}-start", **inside), "type": f"custom-{kind}-start", "parentId": "each"}
    inner = node("inner", "variable-aggregator", output_type="string", variables=[list(each)], **inside)
    container = node("each", kind, start_node_id="each-start", **data)
    path = ["start --> first", "first --> each", "each-start --> inner", "each --> end"]
    return heavy(first, container, begin, {**inner, "parentId": "each"}, edges=path, inputs=["x"])


NUMBERS = code("first", "def main():\n    return {'r': {'a': [1] * 100000}}", r="object")
ITERATION: dict[str, Any] = {
    "iterator_selector": ["first", "r", "a"],
    "output_selector": ["inner", "output"],
    "iterator_input_type": "array[number]",
    "output_type": "array[string]",
    "error_handle_mode": "terminated",
    "flatten_output": True,
}
LOOP: dict[str, Any] = {"loop_count": 49_000, "break_conditions": [], "logical_operator": "and", "loop_variables": []}
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


async def dribble(place: Place, inputs: Mapping[str, Any]) -> None:
    """200 connections whose bodies never end: a byte every 10 ms."""

    async def one() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
        head = f"POST /v1/workflows/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {place.key}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 10000000\r\n\r\n".encode())
        while True:
            writer.write(b"[")
            await writer.drain()
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one() for _ in range(200)))


async def tiny_chunks(place: Place, inputs: Mapping[str, Any]) -> None:
    """Bodies without end in chunks of one byte, as fast as they are taken, on 40 connections."""

    async def one() -> None:
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
            head = f"POST /v1/workflows/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {place.key}\r\n"
            writer.write(f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"1\r\n \r\n" * 10_000)
                    await writer.drain()

    await asyncio.gather(*(one() for _ in range(40)))


async def bytes_alone(place: Place, inputs: Mapping[str, Any]) -> None:
    """Bodies without end on 40 connections, each byte in a segment of its own, as fast as one process sends them."""

    async def one() -> None:
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
            head = f"POST /v1/workflows/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {place.key}\r\n"
            writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 10000000\r\n\r\n".encode())
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(40)))


async def read_bytes(place: Place, inputs: Mapping[str, Any]) -> None:
    """20 clients that read streams with many events a byte at a time, by as small a window as the system gives."""
    body = json.dumps({"inputs": dict(inputs), "user": "u", "response_mode": "streaming"}).encode()
    loop = asyncio.get_running_loop()

    async def one() -> None:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", place.server.port))
            await loop.sock_sendall(connection, request("POST", "/v1/workflows/run", place.key, body))
            while await loop.sock_recv(connection, 1):
                pass

    await asyncio.gather(*(one() for _ in range(20)))


async def read_nothing(place: Place, inputs: Mapping[str, Any]) -> None:
    """20 clients that start runs with many events, and never read their streams."""
    body = json.dumps({"inputs": dict(inputs), "user": "u", "response_mode": "streaming"}).encode()
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", place.server.port, limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request("POST", "/v1/workflows/run", place.key, body))
    await asyncio.Event().wait()


async def stop_in_vain(place: Place, inputs: Mapping[str, Any]) -> None:
    """Stops of runs that are not there, while 20,000 runs go on or wait."""
    start = json.dumps({"inputs": dict(inputs), "user": "u", "response_mode": "async"}).encode()
    begin = request("POST", "/v1/workflows/run", place.key, start)
    stop = request("POST", f"/v1/workflows/run/{uuid4()}/stop", place.key, b'{"user": "u"}')
    await begun(place.server.port, begin, 20_000)
    await put(place.server.port, stop, clients=4, seconds=10 * BESIDE_SECONDS)


async def begun(port: int, begin: bytes, count: int) -> None:
    """Send a request so often, on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(begin)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))
    writer.close()


async def read_documents(place: Place, inputs: Mapping[str, Any]) -> None:
    """Runs that read a table of 10 MB, four at a time."""
    file = await asyncio.to_thread(_uploaded, place, b"a," * 5_000_000)
    paper = {"type": "document", "transfer_method": "local_file", "upload_file_id": file}
    await put(place.server.port, run_of(place.key, {"paper": paper}), clients=4, seconds=10 * BESIDE_SECONDS)


def _uploaded(place: Place, content: bytes) -> str:
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="user"\r\n\r\nu\r\n--x\r\n'
        b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
    )
    headers = {"Authorization": f"Bearer {place.key}", "Content-Type": "multipart/form-data; boundary=x"}
    url = f"http://127.0.0.1:{place.server.port}/v1/files/upload"
    with urlopen(Request(url, parts + content + b"\r\n--x--\r\n", headers)) as answer:
        found: str = json.load(answer)["id"]
    return found


async def read_records(place: Place, inputs: Mapping[str, Any]) -> None:
    """The node executions of a run of 20,000 rounds, read again and again."""
    body = json.dumps({"inputs": {}, "user": "u", "response_mode": "blocking"}).encode()
    headers = {"Authorization": f"Bearer {place.key}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{place.server.port}/v1/workflows/run"
    answer = await asyncio.to_thread(lambda: urlopen(Request(url, body, headers)).read())
    path = f"/v1/workflows/run/{json.loads(answer)['workflow_run_id']}/node-executions"
    await put(place.server.port, request("GET", path, place.key), clients=1, seconds=10 * BESIDE_SECONDS)


STRAIGHT = ["start --> first", "first --> end"]
REQUESTS = heavy(http("{{#start.url#}}"), edges=STRAIGHT, inputs=["url"])
ENDLESS = {
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 100),
    "chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5", b";a=b" * 1000),
    "tiny": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 10_000),
    "v1/chat/completions": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
        b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n' * 1000,
    ),
    "alone": (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", b"a"),
    "silent": (b"", b""),
}
QUICK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MODEL = {"provider": "openai", "name": "m", "mode": "chat", "completion_params": {}}
ASKS = node(
    "first",
    "llm",
    model=MODEL,
    prompt_template=[{"role": "user", "text": "x"}],
    context={"enabled": False},
    vision={"enabled": False},
)
PAPER = {"variable": "paper", "label": "paper", "type": "file", "required": True, "allowed_file_types": ["document"]}
READS = document(
    "heavy",
    [
        node("start", "start", variables=[PAPER]),
        node("first", "document-extractor", variable_selector=["start", "paper"], is_array_file=False),
        node("end", "end", outputs=[]),
    ],
    STRAIGHT,
)
LARGE = code("first", "def main():\n    return {'r': {'a': [[]] * 190000}}", r="object")
ENDLESS_PROGRAM = heavy(code("first", "def main():\n    while True: pass", r="object"), edges=STRAIGHT)
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
    "programs without end": Work(ENDLESS_PROGRAM, clients=60),
    "places for programs that are held": Work(ENDLESS_PROGRAM, clients=60, small="program"),
    "stops of runs that are not there": Work(
        heavy(http("{{#start.url#}}"), edges=STRAIGHT, inputs=["url"]), upstream="silent", drive=stop_in_vain
    ),
    "interim answers without end": Work(REQUESTS, upstream="continue"),
    "members that hold nothing": Work(REQUESTS, upstream="gzip"),
    "extensions without end": Work(REQUESTS, upstream="chunk"),
    "answers in chunks of one byte": Work(REQUESTS, upstream="tiny", clients=40),
    "answers whose bytes come alone": Work(REQUESTS, upstream="alone", clients=40),
    "places for requests that are held": Work(REQUESTS, upstream="silent", clients=600, small="fetch"),
    "models that stream without end": Work(heavy(ASKS, edges=STRAIGHT), clients=20),
    "documents of 10 MB": Work(READS, drive=read_documents),
    "bodies that dribble": Work(heavy(template("first", "x"), edges=STRAIGHT), drive=dribble),
    "bodies in chunks of one byte": Work(heavy(template("first", "x"), edges=STRAIGHT), drive=tiny_chunks),
    "bodies whose bytes come alone": Work(heavy(template("first", "x"), edges=STRAIGHT), drive=bytes_alone),
    "clients that read a byte at a time": Work(
        rounds("loop", template("first", "x"), **{**LOOP, "loop_count": 20_000}), drive=read_bytes
    ),
    "clients that do not read": Work(
        rounds("loop", template("first", "x"), **{**LOOP, "loop_count": 20_000}), drive=read_nothing
    ),
    "the record of a long run that is read": Work(
        rounds("loop", template("first", "x"), **{**LOOP, "loop_count": 20_000}), drive=read_records
    ),
    "rounds that write a large value each": Work(
        rounds("loop", LARGE, each=("first", "r"), **{**LOOP, "loop_count": 500})
    ),
    "an input of 4 MB": Work(heavy(template("first", "x"), edges=STRAIGHT, inputs=["x"]), {"x": "界" * 1_300_000}),
}


async def upstream() -> None:
    """Answer without end, as the path says, to everybody who asks."""
    os.nice(LOWEST)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while (path := (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode().strip("/")) == "quick":
                writer.write(QUICK)
            first, again = ENDLESS[path]
            writer.write(first)
            while again:
                writer.write(again)
                await writer.drain()
                # Else what is short would never let others have the loop, and would leave together.
                await asyncio.sleep(0)
            await reader.read()

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


async def beside(name: str, work: Work, place: Place) -> None:
    server = place.server
    to = f"http://127.0.0.1:{place.upstream}"
    small = run_of(server.keys[work.small], {"q": f"{to}/quick"})
    await put(server.port, small, clients=1, seconds=0.5)
    quiet = await put(server.port, small, clients=1, seconds=QUIET_SECONDS)
    most = [before := resident(server.pid)]
    watching = asyncio.ensure_future(most_resident(server.pid, most))
    command = [sys.executable, __file__, "--drive", name, str(server.port), str(place.upstream), place.key]
    driver = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert driver.stdout is not None
    await driver.stdout.readline()
    found: Load = await put(server.port, small, clients=1, seconds=BESIDE_SECONDS)
    if driver.returncode is None:
        driver.kill()
    elif driver.returncode:
        print(f"{name}: what does the work failed", file=sys.stderr)
    await driver.wait()
    watching.cancel()
    figure(f"beside {name}: p50", found.median * 1000, "ms", baseline=quiet.median * 1000)
    figure(f"beside {name}: p99", found.p99 * 1000, "ms", baseline=quiet.p99 * 1000, aim=AIM)
    figure(f"beside {name}: slowest", found.most * 1000, "ms", baseline=quiet.most * 1000)
    figure(f"beside {name}: memory grew by", most[0] - before, "MiB")


async def drive(name: str, place: Place) -> None:
    """Do heavy work until killed."""
    os.nice(LOWEST)
    print("begins", flush=True)
    work = WORKS[name]
    inputs = {"url": f"http://127.0.0.1:{place.upstream}/{work.upstream}"} if work.upstream else work.inputs
    if work.drive is not None:
        await work.drive(place, inputs)
    else:
        again = run_of(place.key, inputs)
        await put(place.server.port, again, clients=work.clients, seconds=10 * BESIDE_SECONDS)


def fetch() -> dict[str, Any]:
    """A small app that makes a request."""
    variable = {"variable": "q", "label": "q", "type": "paragraph", "required": False}
    nodes = [node("start", "start", variables=[variable]), http("{{#start.q#}}"), node("end", "end", outputs=[])]
    return document("fetch", nodes, STRAIGHT)


def program() -> dict[str, Any]:
    """A small app that runs a program."""
    nodes = [node("start", "start", variables=[]), code("first", "def main():\n    return {'r': 'x'}", r="string")]
    return document("program", [*nodes, node("end", "end", outputs=[])], STRAIGHT)


async def main(only: str) -> None:
    command = [sys.executable, __file__, "--upstream"]
    with process(command, r"port (\d+)", dict(os.environ)) as (_, port), tempfile.TemporaryDirectory() as folder:
        providers = Path(folder) / "providers.yml"
        entry = {"base_url": f"http://127.0.0.1:{port}/v1", "api_key": "x"}
        providers.write_text(json.dumps({"providers": {"openai": entry}}))
        for name, work in WORKS.items():
            if only in name:
                with jikko(
                    start_end(), fetch(), program(), work.app, JIKKO_PROVIDERS=str(providers), **work.settings
                ) as server:
                    await beside(name, work, Place(server, port))


if __name__ == "__main__":
    if "--upstream" in sys.argv:
        asyncio.run(upstream())
    elif "--drive" in sys.argv:
        named, port, to, key = sys.argv[sys.argv.index("--drive") + 1 :]
        uvloop.run(drive(named, Place(Server(int(port), 0, {"heavy": key}), int(to))))
    else:
        uvloop.run(main(sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""))
