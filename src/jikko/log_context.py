"""What a line of the log is about: the request and the run that are being worked on when it is written."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

import msgspec

from jikko.trace_context import parsed, traceparent_of

_TRACEPARENT: Final = b"traceparent"


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
    """The header ``traceparent`` of the request that the run began with."""

    @property
    def request(self) -> str:
        """The name of the request; empty if it is a run."""
        return str(self.request_id, "ascii")

    @property
    def traceparent(self) -> str:
        """W3C: makes what is called from here a part of the same trace. Empty if there is none."""
        if self.run:
            return traceparent_of(self.came, self.run)
        for name, value in self.headers:
            if name == _TRACEPARENT:
                given = str(value, "latin-1")
                return given if parsed(given) is not None else ""
        return ""


log_context: Final[ContextVar[LogContext]] = ContextVar("log_context", default=LogContext())  # noqa: B039  # never changes
"""Of the current task, and of those that it starts until they have one of their own."""
