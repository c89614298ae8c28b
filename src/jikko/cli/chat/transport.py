"""How a command speaks the Service API: to a server, or to the same application in its own process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from jikko.cli.failure import Failure
from jikko.exit_codes import ExitCode


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The beginning of an answer; its body comes."""

    status: int
    pieces: AsyncIterator[bytes]


class Transport(Protocol):
    """Sends requests."""

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> AbstractAsyncContextManager[ResponseHead]:
        """Send a request; its answer is read in the block. Leaving the block ends it.

        Args:
            path: With its query.

        Raises:
            Failure: There is no answer.
        """
        ...


class HttpTransport:
    """To a server."""

    def __init__(self, session: Any, url: str) -> None:
        """Args:
        session: Of aiohttp.
        """
        self._session = session
        self._url = url.rstrip("/")

    @asynccontextmanager
    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> AsyncIterator[ResponseHead]:
        """See ``Transport.send``."""
        import aiohttp

        try:
            async with self._session.request(method, self._url + path, headers=headers, data=body) as response:
                yield ResponseHead(response.status, response.content.iter_any())
        except (aiohttp.ClientError, OSError) as error:
            raise Failure(
                f"{self._url}: the server does not answer: {error or type(error).__name__}",
                exit_code=ExitCode.UNAVAILABLE,
                code="no_server",
                hint="Say where it is with --url or JIKKO_URL.",
            ) from None


class AppTransport:
    """To an ASGI application in this process, on its event loop: nothing is listened on."""

    def __init__(self, app: Any) -> None:
        self._app = app

    @asynccontextmanager
    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> AsyncIterator[ResponseHead]:
        """See ``Transport.send``."""
        path, _, query = path.partition("?")
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost"), *raw],
            "client": ("127.0.0.1", 0),
            "server": ("localhost", 80),
        }
        received = iter([{"type": "http.request", "body": body, "more_body": False}])
        left = asyncio.Event()
        sent: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        async def receive() -> dict[str, Any]:
            message = next(received, None)
            if message is None:
                await left.wait()
                return {"type": "http.disconnect"}
            return message

        async def send(message: dict[str, Any]) -> None:
            sent.put_nowait(message)

        task = asyncio.get_running_loop().create_task(self._app(scope, receive, send))
        task.add_done_callback(lambda _: sent.put_nowait(None))
        try:
            start = await sent.get()
            if start is None:
                await task
                raise Failure("The application gave no answer.")
            yield ResponseHead(start["status"], _pieces(sent))
        finally:
            left.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _pieces(sent: "asyncio.Queue[dict[str, Any] | None]") -> AsyncIterator[bytes]:
    while (message := await sent.get()) is not None:
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
