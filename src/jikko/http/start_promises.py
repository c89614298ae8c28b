"""What a client asks to be promised with a run."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from jikko.http.body_fields import TRACE_SESSION
from jikko.http.operation import Route, Schema
from jikko.http.requests import Request
from jikko.maintenance.callbacks import checked_url
from jikko.ports.stores.projections import KeyClaim
from jikko.runs.idempotency import checked_key, fingerprint
from jikko.runs.start_options import StartOptions

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

    Args:
        operation: What the request is for; with the body it tells one request from another.

    Raises:
        InvalidParam: The key is empty or too long, or the address of the call-back is none.
    """
    key = request.header(b"idempotency-key")
    url = body.get("callback_url")
    if key is None and url is None:
        return None
    claim = None
    if key is not None:
        claim = KeyClaim(key=checked_key(key), fingerprint=fingerprint(operation, body), at=request.api.clock())
    return StartOptions(claim=claim, callback_url=None if url is None else checked_url(url))
