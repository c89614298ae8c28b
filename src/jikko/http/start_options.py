"""What a client asks to be promised with a run."""

from typing import Any

from jikko.http.requests import Request
from jikko.maintenance.callbacks import checked_url
from jikko.ports.stores.projections import KeyClaim
from jikko.runs.idempotency import checked_key, fingerprint
from jikko.runs.start_options import StartOptions

REPEATED = "Idempotency-Replayed"
"""Header of an answer about a run that an earlier request with the same key had started."""


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
        claim = KeyClaim(key=checked_key(key), fingerprint=fingerprint(operation, body), at=request.api.now())
    return StartOptions(claim=claim, callback_url=None if url is None else checked_url(url))
