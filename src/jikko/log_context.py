"""What a line of the log is about: the request and the run that are being worked on when it is written."""

from contextvars import ContextVar
from typing import Final, NamedTuple


class LogContext(NamedTuple):
    """What is being worked on; each field is an id, or empty."""

    request: str = ""
    """As in the header ``X-Request-Id`` of its answer."""
    run: str = ""
    app: str = ""
    traceparent: str = ""
    """W3C: makes what is called from here a part of the same trace."""


log_context: Final[ContextVar[LogContext]] = ContextVar("log_context", default=LogContext())  # noqa: B039  # never changes
"""Of the current task, and of those that it starts until they have one of their own."""
