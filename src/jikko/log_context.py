"""The subject of a line of the log: the request and the run that are being worked on when it is written."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

import msgspec

from jikko.trace_context import kept_of, parent_of, state_of, traceparent_of

_TRACEPARENT: Final = b"traceparent"
_TRACESTATE: Final = b"tracestate"


class LogContext(msgspec.Struct, frozen=True):
    """What is being worked on: a request or a run, as they are at hand.

    Every request and run has one, and few of them a line in the log: what a line says is made when one is written.
    """

    request_id: bytes = b""
    """As in the header ``X-Request-Id`` of its answer; ASCII."""
    headers: Iterable[tuple[bytes, bytes]] = ()
    """Those of the request; names in lower case."""
    run: str = ""
    app: str = ""
    came: str = ""
    """What came of a trace with the request that the run began with: see ``kept_of``."""

    @property
    def request(self) -> str:
        """The name of the request; empty if it is a run."""
        return str(self.request_id, "ascii")

    @property
    def trace(self) -> str:
        """The place in a trace of what is called from here, see ``kept_of``. Empty if there is none."""
        if not self.run:
            return self._given()
        made, state = traceparent_of(self.came, self.run), state_of(self.came)
        return f"{made} {state}" if state else made

    @property
    def trace_id(self) -> str:
        """Of the trace; empty if there is none."""
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
"""Of the current task, and of those that it starts until they have one of their own."""
