"""Which trace a run belongs to, and what its spans are called: all of it follows from ids that are there anyway.

Source: W3C Trace Context, level 1.
"""

import hashlib
import re
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_VERSION: Final = "ff"


class TraceContext(NamedTuple):
    """A place in a trace."""

    trace_id: str
    """32 hexadecimal digits in lower case."""
    span_id: str
    """16 of them; empty: the trace begins here."""


def parsed(traceparent: str) -> TraceContext | None:
    """What a header ``traceparent`` says; ``None`` if it is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or found[1] == _NO_VERSION or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = found[2], found[3]
    return TraceContext(trace_id, span_id) if trace_id.strip("0") and span_id.strip("0") else None


def parent_of(traceparent: str, run_id: str) -> TraceContext:
    """The trace of a run, and the span of its caller.

    Args:
        traceparent: What came with the run; empty: the trace begins with it.
    """
    return parsed(traceparent) or TraceContext(run_id.replace("-", ""), "")


def span_of(id_: str) -> str:
    """The span of a run or of an execution of a node, by its id: the same in every process."""
    return hashlib.sha256(id_.encode()).hexdigest()[:16]


def traceparent_of(traceparent: str, run_id: str) -> str:
    """The header that makes what a run calls a part of its trace. See ``parent_of``."""
    return f"00-{parent_of(traceparent, run_id).trace_id}-{span_of(run_id)}-01"
