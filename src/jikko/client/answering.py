"""Retries and answers: refusals become errors, bodies are read up to a limit, streams event by event."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from jikko.client.answers import RunEvent, ServiceError
from jikko.client.service_transport import ResponseHead

_MAX_BYTES: Final = 134_217_728
"""Maximum size of an answer that is not a stream."""
_PATIENCE: Final = 60.0
"""Seconds without the server after which a stream or a start is given up."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
"""First and longest delay between attempts, in seconds; it doubles."""
STREAM_ENDS: Final = frozenset(("workflow_finished", "workflow_paused", "message_end", "error"))
"""Final events: every complete stream of Dify has one."""


class Attempts:
    """Delays between attempts, until patience ends."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Reset: the server is there."""
        self._next, self._since = _FIRST_WAIT, asyncio.get_running_loop().time()
        self._accepted: float | None = None

    def accepted(self) -> None:
        """Note that a stream began, which may have no event for long."""
        self._accepted = asyncio.get_running_loop().time()

    async def next(self, error: ServiceError) -> None:
        """Wait for the next attempt. Raises ``ServiceError`` if another is not worthwhile."""
        now = asyncio.get_running_loop().time()
        if self._accepted is not None and now - self._accepted > _LONGEST_WAIT:
            self.begin()
        self._accepted = None
        if not error.is_passing or now - self._since > _PATIENCE:
            raise error
        wait = self._next * random.uniform(0.5, 1.0)
        self._next = min(2 * self._next, _LONGEST_WAIT)
        await asyncio.sleep(wait)


async def accept(answer: ResponseHead, path: str) -> None:
    """Require a successful answer. Raises ``ServiceError`` for a refusal; of a URL it tells the host alone."""
    if answer.status < 400:
        return
    body = decoded(await whole(answer))
    if isinstance(body, dict) and "message" in body:
        raise ServiceError(str(body["message"]), answer.status, str(body.get("code") or "failed"))
    # The rest of a file's URL would open it.
    where = answer.server or "localhost" if "://" in path else answer.server + path.partition("?")[0]
    why = "is this the address of a Jikko or Dify, and does each proxy pass this path on?"
    raise ServiceError(f"{where}: HTTP {answer.status} without a message of the Service API: {why}", answer.status)


async def whole(answer: ResponseHead) -> bytes:
    """Read the body of an answer. Raises ``ServiceError`` if it is too large."""
    pieces, size = [], 0
    async for piece in answer.pieces:
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_BYTES:
            raise ServiceError(f"the answer has more than {_MAX_BYTES} bytes", 502, "no_server")
    return b"".join(pieces)


def as_object(found: Any) -> dict[str, Any]:
    """Require a JSON object. Raises ``ServiceError`` for anything else."""
    if not isinstance(found, dict):
        raise ServiceError("the answer is not one of the Service API", 502, "not_service")
    return found


def entries(body: Mapping[str, Any], name: str = "data") -> list[dict[str, Any]]:
    """Return the entries of a list."""
    return [entry for entry in body.get(name) or [] if isinstance(entry, dict)]


def error_in(event: RunEvent) -> ServiceError:
    """Return the error that ends a stream."""
    data = event.data
    return ServiceError(
        str(data.get("message") or "the stream failed"),
        int(data.get("status") or 500),
        str(data.get("code") or "failed"),
    )


def no_answer(seconds: float | None) -> ServiceError:
    """Return the timeout error."""
    return ServiceError(f"no answer within {seconds:g} s", 0, "no_server")


def not_service(kind: str) -> ServiceError:
    """Return the error for an answer that is not of that kind: ``JSON``."""
    return ServiceError(f"the answer is not {kind}: is this the address of a Jikko or Dify?", 502, "not_service")


def is_unknown(error: ServiceError) -> bool:
    """Return whether the server lacks the operation: its 404 is a page for people."""
    return error.status in (404, 405) and error.code == "failed"


def only_jikko(what: str) -> ServiceError:
    """Return the error for what only Jikko offers."""
    return ServiceError(f"`{what}` is of Jikko only, and this server is not one", 501, "not_jikko")


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """Append a query to a path."""
    return f"{path}?{urlencode(query)}" if query else path


async def events_in(pieces: AsyncIterator[bytes]) -> AsyncIterator[RunEvent]:
    """Yield the events of a stream, without pings and comments."""
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
    """Return the JSON value; ``None`` if it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
