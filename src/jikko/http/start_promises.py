"""What a client asks to be promised with a run, and the one way by which all requests go that start runs."""

import math
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta, Struct

from jikko.concurrency.patience import Patience, patience
from jikko.errors import LogDamaged, StartRefused, StoreUnavailable
from jikko.http.body_fields import TRACE_SESSION
from jikko.http.operation import Route, Schema
from jikko.http.requests import Request
from jikko.maintenance.callbacks import checked_url
from jikko.ports.stores.projections import KeyClaim
from jikko.runs.idempotency import checked_key, fingerprint
from jikko.runs.start_options import StartOptions

T = TypeVar("T")

REPEATED = "Idempotency-Replayed"
"""Header of an answer about a run that an earlier request with the same key had started."""

START_ERRORS: Final = (404, 409, 429, 503)
"""What the start of a run may be refused with besides."""
KEY: Final = (
    (
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255},
        "The same key and body start one run, however often they are sent within 24 hours; an answer about a run that "
        "an earlier request started has the header Idempotency-Replayed. Another body with the key: 409.",
    ),
)
_TRACE_SESSION: Final = "A session of traces. Checked as Dify checks it; nothing depends on it."
START_HEADERS: Final = (*KEY, ("X-Trace-Session-Id", TRACE_SESSION, _TRACE_SESSION))


class StartRoute(Route, frozen=True):
    """A route that starts a run."""

    errors: tuple[int, ...] = START_ERRORS
    headers: tuple[tuple[str, Schema, str], ...] = START_HEADERS
    streams: bool = True
    starts: bool = True


class TraceQuery(Struct):
    """A session of traces: see ``check_trace_session``."""

    trace_session_id: Annotated[str, Meta(min_length=1, max_length=200, description=_TRACE_SESSION)] = ""


def start_options_of(request: Request, operation: str, body: dict[str, Any]) -> StartOptions | None:
    """The promises that a request asks for; ``None`` if it asks for none.
    ``operation``: what the request is for; with the body it tells one request from another. Raises ``InvalidParam``:
    the key is empty or too long, or the address of the call-back is none."""
    key = request.header(b"idempotency-key")
    url = body.get("callback_url")
    if key is None and url is None:
        return None
    claim = None
    if key is not None:
        claim = KeyClaim(key=checked_key(key), fingerprint=fingerprint(operation, body), at=request.api.clock())
    return StartOptions(claim=claim, callback_url=None if url is None else checked_url(url))


async def starting(request: Request, handle: Callable[[Request], Awaitable[T]]) -> T:
    """Handle a request that starts a run: it is answered in time, whatever the record does.

    Args:
        handle: Waits for the run by ``answers.promised``, and for nothing of it before.

    Raises:
        StartRefused: The record is known to take no writes; or the run did not become durable in time.
        StoreUnavailable: The record could not be read.
    """
    api = request.api
    if api.readiness.trouble:
        raise StartRefused(f"The run was not started: {api.readiness.trouble}. Nothing of it is kept.")
    waiting = Patience(api.settings.start_seconds or math.inf, request.left, api.readiness.start_failed)
    patience.set(waiting)
    try:
        return await handle(request)
    except StoreUnavailable as error:
        if not isinstance(error, LogDamaged):
            api.readiness.start_failed()
        raise
    finally:
        if waiting.left < math.inf:
            waiting.end()
