"""What a line of the log is about: the request and the run that are being worked on when it is written."""

from contextvars import ContextVar
from typing import Final, NamedTuple

from jikko.trace_context import parent_of, state_of, traceparent_of


class LogContext(NamedTuple):
    """What is being worked on; each field is an id or a header, or empty."""

    request: str = ""
    """As in the header ``X-Request-Id`` of its answer."""
    run: str = ""
    app: str = ""
    came: str = ""
    """What came of a trace with the request, or with the one that the run began with: see ``kept_of``."""

    @property
    def trace(self) -> str:
        """The place in a trace of what is called from here, see ``kept_of``. Made when it is asked for: few ask."""
        if not self.run:
            return self.came
        made, state = traceparent_of(self.came, self.run), state_of(self.came)
        return f"{made} {state}" if state else made

    @property
    def trace_id(self) -> str:
        """Of the trace; empty if there is none."""
        if not self.run and not self.came:
            return ""
        return parent_of(self.came, self.run).trace_id


log_context: Final[ContextVar[LogContext]] = ContextVar("log_context", default=LogContext())  # noqa: B039  # never changes
"""Of the current task, and of those that it starts until they have one of their own."""
