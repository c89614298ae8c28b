"""HTTP client of OpenAI's protocol, including Azure: URLs, keys, and raw answers."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from jikko.concurrency.alarm import IdleTimer
from jikko.log_context import log_context
from jikko.ports.models import ModelFailure
from jikko.providers.config import ProviderConfig
from jikko.providers.progress import without_progress
from jikko.providers.sdk_errors import failure_of, is_stale
from jikko.trace_context import headers_of
from jikko.values import Json

if TYPE_CHECKING:
    import aiohttp

_MAX_REFUSAL_BYTES: Final = 65_536
"""Bytes of an error answer that are read."""
_READ_BYTES: Final = 2048
"""Bytes of a streamed answer that are taken at once: some events."""
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_REDIRECTS: Final = 5
_DEPLOYED: Final = frozenset(
    ("/completions", "/chat/completions", "/embeddings", "/audio/transcriptions", "/audio/speech")
)
"""Paths that Azure has below the name of a deployment, which is that of the model."""


class UploadedFile(NamedTuple):
    field: str
    name: str
    data: bytes
    mime_type: str


class RefusedRequest(Exception):
    """An answer whose status is no success."""

    def __init__(self, status_code: int, content: bytes, headers: Mapping[str, str]) -> None:
        try:
            body = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None
        self.status_code = status_code
        self.headers = headers
        self.body: Any = body.get("error", body) if isinstance(body, dict) else body
        """What the provider says of the error."""
        self.text = content.decode(errors="replace")
        """All of it. Servers quote the request there: only the protocol's ``message`` is shown."""
        super().__init__(f"Error code: {status_code}")

    def said(self, name: str) -> str:
        """A field of the error, as text; empty if it has none."""
        return str(self.body.get(name) or "") if isinstance(self.body, dict) else ""


class OpenAIClient:
    """Requests to one provider; connections are kept between them. Belongs to one event loop.

    It reads no environment, keeps no cookies and repeats nothing, but for a request on a connection that the server had
    closed meanwhile.
    """

    def __init__(self, config: ProviderConfig) -> None:
        """To be made in a thread: importing the library takes a tenth of a second."""
        import aiohttp
        import yarl

        from jikko.concurrency.bounded_connections import ConnectionPool
        from jikko.providers.openai.arriving_body import ArrivingBody

        self._aiohttp, self._url, self._body, self._pool = aiohttp, yarl.URL, ArrivingBody, ConnectionPool
        self._config = config
        self._session: aiohttp.ClientSession | None = None
        self._is_azure = config.type == "azure"
        address = str(yarl.URL(config.base_url).with_fragment(None))
        self._address = address.rstrip("/") + ("/openai" if self._is_azure else "")
        """Encoded."""
        self._parameters = {"api-version": str(config.options.get("api_version"))} if self._is_azure else None
        key = config.api_key or "none"
        headers = {"Accept": "application/json", "User-Agent": "Jikko"}
        headers |= {"api-key": key} if self._is_azure else {"Authorization": f"Bearer {key}"}
        for name in ("Organization", "Project"):
            if value := config.options.get(name.lower()):
                headers[f"OpenAI-{name}"] = str(value)
        given = {name.lower() for name in config.headers}
        # What the entry says wins.
        self._headers = {name: value for name, value in headers.items() if name.lower() not in given}
        self._headers |= config.headers

    @asynccontextmanager
    async def answer(
        self, path: str, body: Mapping[str, Json] | None = None, file: UploadedFile | None = None
    ) -> AsyncIterator[tuple["aiohttp.ClientResponse", asyncio.Timeout]]:
        """The response to a request, read in the block before the deadline, which a stream lifts. Leaving it early
        takes its connection with it.

        Args:
            path: Below the address of the provider.
            body: ``None``: it is a GET. With a ``file`` it is a form with these fields.

        Raises:
            RefusedRequest: Its status is no success.
            ModelFailure: The request cannot be sent, there is no answer, or reading it fails.
        """
        deadline = asyncio.timeout(self._config.patience)
        try:
            async with deadline:
                try:
                    response = await self._sent(path, body, file)
                except self._aiohttp.ClientError as error:
                    if not is_stale(error):
                        raise
                    # Servers close connections that nothing came over for a while; the next request finds out.
                    response = await self._sent(path, body, file)
                try:
                    if response.status >= 300:  # also a redirect that leads nowhere
                        raise RefusedRequest(response.status, await _beginning(response), response.headers)
                    yield response, deadline
                finally:
                    # Also when cancelled.
                    response.close()
        except (ModelFailure, RefusedRequest):
            raise
        except Exception as error:
            if deadline.expired():
                raise without_progress(self._config.patience) from None
            raise failure_of(error, urlsplit(self._config.base_url).hostname or "") from None

    async def read(
        self, response: "aiohttp.ClientResponse", take: Callable[[bytes], bool], give_way: Callable[[], Awaitable[None]]
    ) -> None:
        """Read the body of a response as it comes, with one timer for all of it.

        Args:
            take: Called with each piece of a few events as soon as it comes, in the context of this task. Returns
                ``False`` if others should have the event loop before. What it raises is raised here.
            give_way: Lets others have the event loop.
        """
        content, connection = response.content, response.connection
        if connection is not None and connection.protocol is not None:
            # Else the library sets a timer anew with each piece.
            connection.protocol.read_timeout = None
        silence, context = IdleTimer(self._config.timeout), copy_context()
        # The frames of an error know all that has come. Kept by the body that they name, it would stay in memory.
        failed: list[Exception] = []

        def offered(received: bytes) -> bool:
            try:
                if len(received) > _READ_BYTES or not context.run(take, received):
                    return False
            except Exception as error:
                failed.append(error)
                content.set_exception(ConnectionError("broken off"))
            silence.begin(_break_off, content)
            return True

        self._body.offer(content, offered)
        try:
            while True:
                silence.begin(_break_off, content)
                received = await content.readany()
                silence.end()
                if not received:
                    return
                for begin in range(0, len(received), _READ_BYTES):
                    while not take(received[begin : begin + _READ_BYTES]):
                        await give_way()
        except Exception as broken:
            if not failed:
                raise
            broken.__traceback__ = None
            raise failed.pop() from None
        finally:
            failed.clear()
            silence.close()
            self._body.end(content, offered)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _sent(
        self, path: str, body: Mapping[str, Json] | None, file: UploadedFile | None
    ) -> "aiohttp.ClientResponse":
        session = self._session = self._session or self._open()
        if self._is_azure and path in _DEPLOYED and body is not None:
            path = f"/deployments/{quote(str(body['model']), safe='')}{path}"
        headers = {**dict(headers_of(log_context.get().trace)), **self._headers}
        content: bytes | None = None
        if body is not None and file is not None:
            boundary = secrets.token_hex(16)
            headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
            content = _form(body, file, boundary.encode())
        elif body is not None:
            headers.setdefault("Content-Type", "application/json")
            content = msgspec.json.encode(body)
        url = self._url(self._address + path, encoded=True)
        if self._parameters:
            url = url.update_query(self._parameters)
        method = "GET" if body is None else "POST"
        for _ in range(_MAX_REDIRECTS):
            response = await session.request(method, url, data=content, headers=headers, allow_redirects=False)
            location = response.headers.get("Location", "")
            # Others would make a question a GET without it.
            if not location or response.status not in ((307, 308) if body is not None else _REDIRECTS):
                return response
            response.release()
            before, url = url, url.join(self._url(location))
            # Keys and questions are for the server that the entry names: another port may be another's.
            is_encrypted_now = (before.scheme, before.port, url.scheme, url.port) == ("http", 80, "https", 443)
            if url.host != before.host or not (url.origin() == before.origin() or is_encrypted_now):
                detail = f"it redirects to {url.origin()} (see base_url of the provider)"
                message = f"The connection to the provider at {before.host} failed: {detail}"
                raise ModelFailure(message, kind="InvokeConnectionError")
        raise self._aiohttp.TooManyRedirects(response.request_info, ())

    def _open(self) -> "aiohttp.ClientSession":
        connect, silent = self._config.connect_timeout, self._config.timeout
        return self._aiohttp.ClientSession(
            # How many requests are under way is limited by ``max_concurrent``.
            connector=self._pool(),
            cookie_jar=self._aiohttp.DummyCookieJar(),
            timeout=self._aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=silent),
            trust_env=False,
        )


def _break_off(content: "aiohttp.StreamReader") -> None:
    content.set_exception(TimeoutError("no data"))


async def _beginning(response: "aiohttp.ClientResponse") -> bytes:
    pieces = bytearray()
    async for received in response.content.iter_any():
        pieces += received
        if len(pieces) > _MAX_REFUSAL_BYTES:
            break
    return bytes(pieces[:_MAX_REFUSAL_BYTES])


def _form(fields: Mapping[str, Json], file: UploadedFile, boundary: bytes) -> bytes:
    parts = [(f'name="{name}"', str(value).encode()) for name, value in fields.items()]
    name = file.name.translate({10: "%0A", 13: "%0D", 34: "%22"})
    parts.append((f'name="{file.field}"; filename="{name}"\r\nContent-Type: {file.mime_type}', file.data))
    whole = [
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary, head.encode(), data)
        for head, data in parts
    ]
    return b"".join(whole) + b"--%b--\r\n" % boundary
