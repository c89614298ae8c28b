"""A server that answers without end, as the paths of its requests say."""

import asyncio
import contextlib
import gzip
import os

LOWEST = 19
"""Priority of those who would be other machines."""
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
