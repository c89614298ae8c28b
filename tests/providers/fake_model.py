"""Model server on a real socket that does whatever a test wants, including protocol violations."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Answer = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """Request, with methods to respond."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    writer: asyncio.StreamWriter
    content: bytes = b""
    """Raw body; ``body`` is empty if it is not JSON."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the client has closed the connection."""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int, *headers: str) -> None:
        await self.send("\r\n".join((f"HTTP/1.1 {status} Status", *headers, "", "")).encode())

    async def json(self, value: Any, status: int = 200, *headers: str) -> None:
        """Send a complete response."""
        content = json.dumps(value).encode()
        await self.head(status, "Content-Type: application/json", f"Content-Length: {len(content)}", *headers)
        await self.send(content)

    async def begin_stream(self) -> None:
        await self.head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")

    async def raw(self, data: bytes) -> None:
        """Send a piece of a stream."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, value: Any) -> None:
        """Send one event of a stream."""
        await self.raw(b"data: " + json.dumps(value).encode() + b"\n\n")

    async def end_stream(self) -> None:
        await self.raw(b"data: [DONE]\n\n")
        await self.send(b"0\r\n\r\n")

    def cut(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()


class FakeModel:
    """Server. ``answer`` may be replaced at any time."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.exchanges: list[Exchange] = []
        self.arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [exchange.body for exchange in self.exchanges]

    async def requests(self, count: int) -> None:
        """Wait for ``count`` requests."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.exchanges) >= count)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=1 << 26)
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                body = json.loads(content) if content and "json" in headers.get("content-type", "json") else {}
                exchange = Exchange(first.split()[1], headers, body, writer, content)
                async with self.arrived:
                    self.exchanges.append(exchange)
                    self.arrived.notify_all()
                await self._answered(exchange, reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answered(self, exchange: Exchange, reader: asyncio.StreamReader) -> None:
        # Clients send nothing while waiting for a response, so anything readable is the end of the connection.
        watch = asyncio.ensure_future(reader.read(1))
        work = asyncio.ensure_future(self.answer(exchange))
        try:
            await asyncio.wait((watch, work), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            else:
                exchange.gone.set()
        finally:
            work.cancel()
            watch.cancel()
            await asyncio.gather(watch, work, return_exceptions=True)
        if exchange.gone.is_set():
            raise ConnectionError


def delta(text: str = "", finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a chunk of a streamed chat."""
    content = {"content": text, **fields} if text else fields
    return {"choices": [{"index": 0, "delta": content, "finish_reason": finish}]}


def usage(prompt: int, completion: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def streamed(*words: str, counts: tuple[int, int] | None = (5, 2), finish: str = "stop") -> Answer:
    """Answer by streaming words."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for word in words:
            await exchange.event(delta(word))
        await exchange.event(delta(finish=finish))
        if counts is not None:
            await exchange.event({"choices": [], "usage": usage(*counts)})
        await exchange.end_stream()

    return answer


def events(values: Iterable[Any]) -> Answer:
    """Answer by streaming events."""

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for value in values:
            await exchange.event(value)
        await exchange.end_stream()

    return answer


def refusal(status: int, message: str, *headers: str, **fields: Any) -> Answer:
    """Answer with an error in OpenAI's format."""

    async def answer(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": message, **fields}}, status, *headers)

    return answer


def whole(message: Mapping[str, Any], finish: str = "stop", counts: tuple[int, int] = (5, 2)) -> Answer:
    """Answer without streaming."""

    async def answer(exchange: Exchange) -> None:
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        await exchange.json({"choices": [choice], "usage": usage(*counts)})

    return answer


async def silence(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.gone.wait()
