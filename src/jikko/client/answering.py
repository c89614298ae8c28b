"""Attempts, and the answers of servers: refusals become errors, bodies are read to a limit, streams event by event."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from jikko.client.answers import RunEvent, ServiceError
from jikko.client.service_transport import ResponseHead

_MAX_BYTES: Final = 134_217_728
"""Bytes of an answer that is not a stream."""
_PATIENCE: Final = 60.0
"""Seconds for which a server may be away before a stream, or a start, is given up."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
"""Seconds between two attempts: each wait is twice as long as the one before it."""
STREAM_ENDS: Final = frozenset(("workflow_finished", "workflow_paused", "message_end", "error"))
"""Events of which one is in each of Dify's streams that is whole."""


class Attempts:
    """The waits between attempts, until patience ends."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The server is there."""
        self._next, self._since = _FIRST_WAIT, asyncio.get_running_loop().time()
        self._accepted: float | None = None

    def accepted(self) -> None:
        """A stream began, which may have no event for long."""
        self._accepted = asyncio.get_running_loop().time()

    async def next(self, error: ServiceError) -> None:
        """Wait for the next attempt. Raises ``ServiceError``: no further one is worth it."""
        now = asyncio.get_running_loop().time()
        if self._accepted is not None and now - self._accepted > _LONGEST_WAIT:
            self.begin()
        self._accepted = None
        if not error.is_passing or now - self._since > _PATIENCE:
            raise error
        wait = self._next * random.uniform(0.5, 1.0)
        self._next = min(2 * self._next, _LONGEST_WAIT)
        await asyncio.sleep(wait)


async def accept(answer: ResponseHead) -> None:
    """Take an answer that is not a refusal. Raises ``ServiceError``: it is one."""
    if answer.status < 400:
        return
    body = decoded(await whole(answer))
    if isinstance(body, dict) and "message" in body:
        raise ServiceError(str(body["message"]), answer.status, str(body.get("code") or "failed"))
    raise ServiceError(f"the server answers {answer.status}", answer.status)


async def whole(answer: ResponseHead) -> bytes:
    """The body of an answer. Raises ``ServiceError``: it is too long."""
    pieces, size = [], 0
    async for piece in answer.pieces:
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_BYTES:
            raise ServiceError(f"the answer has more than {_MAX_BYTES} bytes", 502, "no_server")
    return b"".join(pieces)


def as_object(found: Any) -> dict[str, Any]:
    """The value, which has to be an object. Raises ``ServiceError``: it is not."""
    if not isinstance(found, dict):
        raise ServiceError("the answer is not one of the Service API", 502, "not_service")
    return found


def entries(body: Mapping[str, Any], name: str = "data") -> list[dict[str, Any]]:
    """The entries of a list."""
    return [entry for entry in body.get(name) or [] if isinstance(entry, dict)]


def error_in(event: RunEvent) -> ServiceError:
    """An error that ends a stream."""
    data = event.data
    return ServiceError(
        str(data.get("message") or "the stream failed"),
        int(data.get("status") or 500),
        str(data.get("code") or "failed"),
    )


def no_answer(seconds: float | None) -> ServiceError:
    """The error for an answer that did not come in time."""
    return ServiceError(f"no answer within {seconds:g} s", 0, "no_server")


def not_service(kind: str) -> ServiceError:
    """The error for an answer that is not of that kind: ``JSON``."""
    return ServiceError(f"the answer is not {kind}: is this the address of a Jikko or Dify?", 502, "not_service")


def is_unknown(error: ServiceError) -> bool:
    """Whether the server knows no such operation: it says so on a page for people."""
    return error.status in (404, 405) and error.code == "failed"


def only_jikko(what: str) -> ServiceError:
    """The error for what another server does not have."""
    return ServiceError(f"`{what}` is of Jikko only, and this server is not one", 501, "not_jikko")


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """The path with a query."""
    return f"{path}?{urlencode(query)}" if query else path


async def events_in(pieces: AsyncIterator[bytes]) -> AsyncIterator[RunEvent]:
    """The events of a stream as they come. Pings and comments are passed over."""
    rest, position = b"", None
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"id:") and line[3:].strip().isdigit():
                position = int(line[3:])
            elif line.startswith(b"data:") and isinstance(event := decoded(line[5:]), dict):
                yield RunEvent(str(event.get("event") or ""), event, position)
                position = None


def decoded(data: bytes) -> Any:
    """The JSON value; ``None`` if it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
