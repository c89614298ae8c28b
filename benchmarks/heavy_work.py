"""Kinds of heavy work: which app is run, and what its clients do."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias
from urllib.request import Request, urlopen
from uuid import uuid4

from benchmarks.heavy_apps import (
    ASKS,
    CASE,
    ENDLESS_PROGRAM,
    ITERATION,
    LARGE,
    LOOP,
    NUMBERS,
    READS,
    REQUESTS,
    STRAIGHT,
    code,
    heavy,
    http,
    rounds,
    template,
)
from benchmarks.load import Server, node, put, request
from benchmarks.sizes import sized

BESIDE_SECONDS = sized(8.0, 0.1)


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


def run_of(key: str, inputs: Mapping[str, Any]) -> bytes:
    body = {"inputs": dict(inputs), "user": "u", "response_mode": "blocking"}
    return request("POST", "/v1/workflows/run", key, json.dumps(body).encode())
