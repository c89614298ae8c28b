"""Parameters that several operations have."""

from typing import Final

from jikko.http.fields import TRACE_SESSION

START_ERRORS: Final = (400, 401, 404, 409, 413, 415, 429, 503)
"""What the start of a run may be refused with."""
KEY: Final = (
    (
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255},
        "The same key and body start one run, however often they are sent within 24 hours; an answer about a run that "
        "an earlier request started has the header Idempotency-Replayed. Another body with the key: 409.",
    ),
)
_TRACE_SESSION: Final = "A session of traces. Checked as Dify checks it; nothing depends on it."
TRACE_QUERY: Final = (("trace_session_id", TRACE_SESSION, _TRACE_SESSION),)
START_HEADERS: Final = (*KEY, ("X-Trace-Session-Id", TRACE_SESSION, _TRACE_SESSION))
