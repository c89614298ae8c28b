"""Trace of a run and ids of its spans, derived from existing ids.

Source: W3C Trace Context, level 1.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_VERSION: Final = "ff"
_STATE_LENGTH: Final = 512
"""Characters of a ``tracestate`` that are passed on: the minimum that W3C requires."""
_STATE_MEMBERS: Final = 32
_STATE_MEMBER: Final = re.compile(
    r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class TraceContext(NamedTuple):
    trace_id: str
    """32 hexadecimal digits in lower case."""
    span_id: str
    """16 hexadecimal digits; empty: the trace starts here."""


def parsed(traceparent: str) -> TraceContext | None:
    """Parse a ``traceparent`` header; ``None`` if it is invalid."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or found[1] == _NO_VERSION or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = found[2], found[3]
    return TraceContext(trace_id, span_id) if trace_id.strip("0") and span_id.strip("0") else None


def kept_of(traceparent: str, tracestates: Iterable[str]) -> str:
    """Return the trace headers that a run keeps: ``traceparent``, a space, and ``tracestate``. Empty without a valid
    ``traceparent``. An invalid ``tracestate`` is dropped, as W3C requires."""
    place = parsed(traceparent)
    if place is None:
        return ""
    # Of a later version, the fields that this one knows.
    traceparent = f"00-{place.trace_id}-{place.span_id}-{traceparent[53:55]}"
    members = [member for given in tracestates for each in given.split(",") if (member := each.strip(" \t"))]
    state = ",".join(members)
    names = {member.partition("=")[0] for member in members}
    usable = len(state) <= _STATE_LENGTH and len(members) <= _STATE_MEMBERS and len(names) == len(members)
    return f"{traceparent} {state}" if state and usable and all(map(_STATE_MEMBER.fullmatch, members)) else traceparent


def state_of(kept: str) -> str:
    """Return the kept ``tracestate``, or an empty string."""
    return kept.partition(" ")[2]


def parent_of(kept: str, run_id: str) -> TraceContext:
    """Return a run's trace and its caller's span. ``kept``: See ``kept_of``; empty: the trace starts with the run."""
    return parsed(kept.partition(" ")[0]) or TraceContext(run_id.replace("-", ""), "")


def span_of(id_: str) -> str:
    """Return the span id for a run or a node execution: the same in every process."""
    return hashlib.sha256(id_.encode()).hexdigest()[:16]


def traceparent_of(kept: str, run_id: str) -> str:
    """Return the ``traceparent`` header for calls that a run makes. See ``parent_of``."""
    return f"00-{parent_of(kept, run_id).trace_id}-{span_of(run_id)}-01"


def headers_of(kept: str) -> tuple[tuple[str, str], ...]:
    """Return the trace headers of a request, see ``kept_of``."""
    traceparent, _, state = kept.partition(" ")
    pairs = (("traceparent", traceparent), ("tracestate", state))
    return tuple(pair for pair in pairs if pair[1])
