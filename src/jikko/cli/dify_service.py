"""Client of a Dify server, for copying apps and datasets: its lists, responses, and files."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
import click
import msgspec

from jikko.cli.command_failure import Failure
from jikko.errors import system_reason
from jikko.exit_codes import ExitCode, of_answer
from jikko.ports.http import HttpClient, HttpFailure, OutgoingRequest, Timeouts, retry_seconds
from jikko.terminal_text import harmless

T = TypeVar("T")

PAGE: Final = 100
"""Entries per page: Dify's maximum."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=1200, connect=10, sock_read=120)
_ATTEMPTS: Final = 5
"""Attempts of a request to an overloaded or failing server."""
_LONGEST_WAIT: Final = 300.0
"""Longest delay of a retry in seconds, whatever ``Retry-After`` says."""
_MAX_BYTES: Final = 134_217_728
"""Bytes of a response."""


class DifyService:
    """Dify server, accessed with an API key."""

    def __init__(self, session: Any, http: HttpClient, url: str, key: str, *, takes: str, wait: float = 1.0) -> None:
        """Args:
        session: An aiohttp session.
        http: Fetches files from other addresses, which end users may have written.
        url: The server's, with or without ``/v1`` at the end.
        takes: Kind of key required, for the error about a wrong one.
        wait: Seconds before the second attempt, doubled for each further one.

        Raises:
            click.UsageError: The address has no scheme.
        """
        if not url.startswith(("http://", "https://")):
            raise click.UsageError(f"--url: {url!r} is not the address of a server, such as https://dify.example.")
        self._session = session
        self._http = http
        self._url = url.rstrip("/").removesuffix("/v1") + "/v1"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._takes = takes
        self._wait = wait
        self._has_answered = False

    async def numbered(self, path: str, kind: type[T], **query: str) -> AsyncIterator[T]:
        """Iterate over a list with numbered pages. ``kind``: Type of its entries. Raises ``Failure``: the server
        refuses, does not answer, or returns something else."""
        page, count = 1, PAGE
        # Dify sets ``has_more`` for every full page.
        while count >= PAGE:
            entries = await self.page(path, **query, page=str(page), limit=str(PAGE))
            for entry in entries:
                yield self.read(path, entry, kind)
            page, count = page + 1, len(entries)

    async def page(self, path: str, **query: str) -> list[Any]:
        """Return the entries of one page. Raises as ``numbered``."""
        data = (await self.one(f"{path}?{urlencode(query)}", dict[str, Any])).get("data")
        if not isinstance(data, list):
            raise self.unreadable(path, "it has no list named data")
        return data

    async def one(self, path: str, kind: type[T]) -> T:
        """Return one object. Raises as ``numbered``."""
        content = await self._get(self._url + path, self._headers)
        try:
            value = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self.unreadable(path, "it is not JSON") from None
        return self.read(path, value, kind)

    async def file(self, url: str) -> bytes | None:
        """Download a signed address; ``None`` if it is unavailable. Raises ``Failure``: the server is unreachable."""
        own = self._url.removesuffix("/v1")
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        # A Dify without FILES_URL returns an address that only its own containers can reach.
        others = [f"{own}{parts.path}?{parts.query}"] if parts.path.startswith("/files/") else []
        for address in (*([url] if parts.scheme else []), *others):
            if address.startswith(f"{own}/"):
                try:
                    return await self._get(address, {}, attempts=2, allow_redirects=False)
                except Failure as failure:
                    if failure.exit_code == ExitCode.UNAVAILABLE:
                        raise
            # This server's redirects are subject to the address policy, too.
            if (content := await self._elsewhere(address)) is not None:
                return content
        return None

    async def _elsewhere(self, address: str) -> bytes | None:
        request = OutgoingRequest(method="GET", url=address, timeouts=Timeouts(read=120.0), max_bytes=_MAX_BYTES)
        try:
            answer = await self._http.send(request)
        except HttpFailure:
            return None
        return answer.body if answer.status == 200 else None

    def read(self, path: str, value: Any, kind: type[T]) -> T:
        """Convert a value to a type. Raises ``Failure``: it has another type."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise self.unreadable(path, str(error)) from None

    def unreadable(self, path: str, why: str) -> Failure:
        return Failure(f"{self._url}{path}: this is not what Dify's API answers: {why}")

    async def _get(
        self, url: str, headers: dict[str, str], attempts: int = _ATTEMPTS, *, allow_redirects: bool = True
    ) -> bytes:
        wait = self._wait
        for attempt in range(1, attempts + 1):
            asked = 0.0
            try:
                async with self._session.get(url, headers=headers, allow_redirects=allow_redirects) as response:
                    content = await self._read(response, url)
                    self._has_answered = True
                    if response.status == 200:
                        return content
                    if attempt == attempts or (response.status != 429 and response.status < 500):
                        raise self._refused(url, response.status, content)
                    asked = retry_seconds(response.headers.get("Retry-After", "")) or 0.0
                    why = f"the server answered {response.status}"
            except (aiohttp.ClientError, OSError, ValueError) as error:
                reason = system_reason(error) if isinstance(error, OSError) else str(error)
                why = f"the server does not answer: {reason or type(error).__name__}"
                # A server that never answered does not exist.
                is_last = attempt == attempts or not self._has_answered
                if is_last or isinstance(error, (aiohttp.InvalidURL, ValueError)):
                    raise Failure(
                        f"{url}: {why}",
                        exit_code=ExitCode.UNAVAILABLE,
                        code="no_server",
                        hint="Give its address with --url URL, such as https://dify.example",
                    ) from None
            pause = max(wait, min(asked, _LONGEST_WAIT))
            click.echo(harmless(f"{url.partition('?')[0]}: {why}; asked again in {math.ceil(pause)} s"), err=True)
            await asyncio.sleep(pause)
            wait *= 2
        raise AssertionError("the last attempt returns or raises")

    async def _read(self, response: Any, url: str) -> bytes:
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_BYTES:
                raise Failure(f"{url}: the answer has more than {_MAX_BYTES} bytes")
        return b"".join(pieces)

    def _refused(self, url: str, status: int, content: bytes) -> Failure:
        try:
            message = str(msgspec.json.decode(content)["message"])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, KeyError):
            message = content[:200].decode(errors="replace")
        hint = f"It takes {self._takes}." if status == 401 else ""
        return Failure(f"{url}: the server answered {status}: {message}", exit_code=of_answer(status), hint=hint)
