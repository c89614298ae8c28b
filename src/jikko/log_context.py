"""What a line of the log is about: the request and the run that are being worked on when it is written."""

from contextvars import ContextVar
from typing import Final, NamedTuple

from jikko.trace_context import traceparent_of


class LogContext(NamedTuple):
    """What is being worked on; each field is an id or a header, or empty."""

    request: str = ""
    """As in the header ``X-Request-Id`` of its answer."""
    run: str = ""
    app: str = ""
    came: str = ""
    """The header ``traceparent`` that came with the request, or with the one that the run began with."""

    @property
    def traceparent(self) -> str:
        """W3C: makes what is called from here a part of the same trace. Made when it is asked for: few runs ask."""
        return traceparent_of(self.came, self.run) if self.run else self.came


log_context: Final[ContextVar[LogContext]] = ContextVar("log_context", default=LogContext())  # noqa: B039  # never changes
"""Of the current task, and of those that it starts until they have one of their own."""
