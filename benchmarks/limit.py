"""The limit: what a recorded run costs with everything but an engine.

An ASGI app that takes Dify's `POST /v1/workflows/run`, checks the key, decodes the body, makes the events of a run of
`NODES` nodes, encodes and compresses its log, writes one row with the log in it by group commit (one writer thread,
`synchronous=FULL`), and answers as Dify does once it is durable. No graph, no node, no limits, no streams.

    LIMIT_DB=folder/limit.db LIMIT_NODES=2 uvicorn limit:app --port 9000 --no-access-log

Frozen: it is the yardstick of `make bench`, started with the same server class as the product. Only ratios of one run
count.
"""

import asyncio
import os
import queue
import sqlite3
import threading
import time
import uuid
import zlib

import msgspec

NODES = int(os.environ.get("LIMIT_NODES", "2"))
_KEY = b"Bearer limit"


class Body(msgspec.Struct):
    """What a client sends."""

    inputs: dict[str, object]
    user: str
    response_mode: str = "blocking"


class Event(msgspec.Struct, omit_defaults=True):
    """One event of a log: as many fields as ours have in the mean."""

    event: str
    at: float
    execution_id: str = ""
    node_id: str = ""
    node_type: str = ""
    title: str = ""
    index: int = 0
    predecessor: str = ""
    inputs: dict[str, object] = {}
    outputs: dict[str, object] = {}
    elapsed: float = 0.0


class Writer:
    """Group commit: whatever has come while the last transaction was synced goes into the next."""

    def __init__(self, path: str) -> None:
        self._queue: queue.SimpleQueue[tuple[tuple[object, ...], asyncio.Future[None]]] = queue.SimpleQueue()
        self._path = path
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, daemon=True).start()

    def append(self, row: tuple[object, ...]) -> "asyncio.Future[None]":
        """Write a row. The future is done once it is on the disk."""
        done = self._loop.create_future()
        self._queue.put((row, done))
        return done

    def _write(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE IF NOT EXISTS runs (id BLOB PRIMARY KEY, app TEXT, status TEXT, inputs TEXT, outputs TEXT,"
            " created REAL, finished REAL, steps INT, tokens INT, log BLOB) WITHOUT ROWID",
        ):
            database.execute(statement)
        while True:
            batch = [self._queue.get()]
            while len(batch) < 512 and not self._queue.empty():
                batch.append(self._queue.get())
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?)", [row for row, _ in batch])
            database.execute("COMMIT")
            self._loop.call_soon_threadsafe(lambda batch=batch: [done.set_result(None) for _, done in batch])  # type: ignore[misc]


_decode = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode
_writer: Writer | None = None


async def app(scope, receive, send):  # type: ignore[no-untyped-def]
    """The ASGI app."""
    global _writer
    if scope["type"] != "http":
        return
    _writer = _writer or Writer(os.environ.get("LIMIT_DB", "limit.db"))
    if dict(scope["headers"]).get(b"authorization") != _KEY:
        await _answer(send, 401, b"{}")  # type: ignore[no-untyped-call]
        return
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = _decode(b"".join(pieces))
    began, run = time.time(), uuid.uuid4()
    events, before = [Event("run_started", began, inputs=body.inputs)], ""
    for index in range(NODES):
        execution, node = uuid.uuid4().hex, f"node{index}"
        events.append(
            Event("node_started", time.time(), execution, node, "template-transform", node, index + 1, before)
        )
        events.append(
            Event(
                "node_finished", time.time(), execution, node, inputs=body.inputs, outputs=body.inputs, elapsed=0.0001
            )
        )
        before = node
    events.append(Event("run_finished", time.time(), outputs=body.inputs))
    log, values = zlib.compress(_encode(events), 1), _encode(body.inputs).decode()
    ended = time.time()
    await _writer.append((run.bytes, "app", "succeeded", values, values, began, ended, NODES, 0, log))
    data = {
        "id": str(run),
        "workflow_id": str(run),
        "status": "succeeded",
        "outputs": body.inputs,
        "error": None,
        "elapsed_time": ended - began,
        "total_tokens": 0,
        "total_steps": NODES,
        "created_at": int(began),
        "finished_at": int(ended),
    }
    await _answer(send, 200, _encode({"task_id": str(run), "workflow_run_id": str(run), "data": data}))  # type: ignore[no-untyped-call]


async def _answer(send, status, body):  # type: ignore[no-untyped-def]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
