"""The knowledge part of the Service API, as a client that reads all of it: a Dify's, or a Jikko's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from jikko.cli.failure import Failure
from jikko.exit_codes import ExitCode, of_answer

T = TypeVar("T")

_PAGE: Final = 100
"""Entries of a page: as many as Dify gives."""
_ATTEMPTS: Final = 5
"""Of a request whose server has too much to do, or fails."""
_MAX_BYTES: Final = 134_217_728
"""Bytes of an answer."""


class DifyKnowledge:
    """All datasets that a key opens."""

    def __init__(self, session: Any, url: str, key: str, *, wait: float = 1.0) -> None:
        """Args:
        session: Of aiohttp.
        url: Of the server, with or without ``/v1`` at the end.
        wait: Seconds before a second attempt; twice as many before each further one.
        """
        self._session = session
        self._url = url.rstrip("/").removesuffix("/v1") + "/v1"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._wait = wait
        self._has_answered = False

    async def each(self, path: str, kind: type[T], **query: str) -> AsyncIterator[T]:
        """All entries of a list, page by page.

        Args:
            kind: What each of them is.

        Raises:
            Failure: The server refuses, does not answer, or says something else.
        """
        page, last = 1, False
        while not last:
            body = await self.one(f"{path}?{urlencode({**query, 'page': page, 'limit': _PAGE})}", dict[str, Any])
            data = body.get("data")
            if not isinstance(data, list):
                raise self._unreadable(path, "it has no list called data")
            for entry in data:
                yield self._as(path, entry, kind)
            page += 1
            # ``has_more`` is true at Dify whenever a page is full.
            last = len(data) < _PAGE

    async def one(self, path: str, kind: type[T]) -> T:
        """An answer. Raises as ``each``."""
        content = await self._get(self._url + path, self._headers)
        try:
            value = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._unreadable(path, "it is no JSON") from None
        return self._as(path, value, kind)

    async def file(self, url: str) -> bytes | None:
        """What is behind a signed address; ``None`` if that cannot be had."""
        try:
            return await self._get(url if "://" in url else self._url.removesuffix("/v1") + url, {})
        except Failure:
            return None

    async def _get(self, url: str, headers: dict[str, str]) -> bytes:
        wait = self._wait
        for attempt in range(1, _ATTEMPTS + 1):
            # What never answered is not there.
            is_last = attempt == _ATTEMPTS or not self._has_answered
            try:
                async with self._session.get(url, headers=headers) as response:
                    content = await self._read(response, url)
                    self._has_answered = True
                    if response.status == 200:
                        return content
                    if attempt == _ATTEMPTS or (response.status != 429 and response.status < 500):
                        raise _refused(url, response.status, content)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if is_last or isinstance(error, (aiohttp.InvalidURL, ValueError)):
                    raise Failure(
                        f"{url}: the server does not answer: {error or type(error).__name__}",
                        exit_code=ExitCode.UNAVAILABLE,
                        code="no_server",
                        hint="Say where it is with --from-dify URL, as https://dify.example",
                    ) from None
            await asyncio.sleep(wait)
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

    def _as(self, path: str, value: Any, kind: type[T]) -> T:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise self._unreadable(path, str(error)) from None

    def _unreadable(self, path: str, why: str) -> Failure:
        return Failure(f"{self._url}{path}: this is not what Dify's knowledge API answers: {why}")


def _refused(url: str, status: int, content: bytes) -> Failure:
    try:
        message = str(msgspec.json.decode(content)["message"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, KeyError):
        message = content[:200].decode(errors="replace")
    hint = "It takes a key of the knowledge API, which begins with dataset-." if status == 401 else ""
    return Failure(f"{url}: the server answered {status}: {message}", exit_code=of_answer(status), hint=hint)
