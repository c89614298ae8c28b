"""Context of log lines: the request or run being processed."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

import msgspec

from jikko.trace_context import kept_of, parent_of, state_of, traceparent_of

_TRACEPARENT: Final = b"traceparent"
_TRACESTATE: Final = b"tracestate"


class LogContext(msgspec.Struct, frozen=True):
    """The request or run being processed, as raw values. Every request and run has a context, but few log anything: the
    text of a line is made only when one is written."""

    request_id: bytes = b""
    """``X-Request-Id`` of the response; ASCII."""
    headers: Iterable[tuple[bytes, bytes]] = ()
    """Headers of the request; names in lower case."""
    run: str = ""
    app: str = ""
    came: str = ""
    """Trace that came with the run's request: see ``kept_of``."""

    @property
    def request(self) -> str:
        """Return the request's id; empty for a run."""
        return str(self.request_id, "ascii")

    @property
    def trace(self) -> str:
        """Return the trace context for calls made from here, see ``kept_of``, or an empty string."""
        if not self.run:
            return self._given()
        made, state = traceparent_of(self.came, self.run), state_of(self.came)
        return f"{made} {state}" if state else made

    @property
    def trace_id(self) -> str:
        """Return the trace id, or an empty string."""
        came = self.came if self.run else self._given()
        return parent_of(came, self.run).trace_id if self.run or came else ""

    def _given(self) -> str:
        traceparent, states = "", []
        for name, value in self.headers:
            if name == _TRACEPARENT and not traceparent:
                traceparent = str(value, "latin-1")
            elif name == _TRACESTATE:
                states.append(str(value, "latin-1"))
        return kept_of(traceparent, states) if traceparent else ""


log_context: Final[ContextVar[LogContext]] = ContextVar("log_context", default=LogContext())  # noqa: B039  # never changes
"""Context of the current task, inherited by the tasks that it starts."""
