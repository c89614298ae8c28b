"""OTLP exporter of spans, by the libraries of OpenTelemetry (extra ``otel``), configured by their variables."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jikko import __version__
from jikko.errors import InvalidSettings
from jikko.extras import how_to_install

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from jikko.observing.traces.spans import Span  # not imported at start without tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables with the endpoint, in order of precedence; without any, nothing is exported."""
_SERVICE = "jikko"
_URL = re.compile(r"https?://[^/]", re.IGNORECASE)


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether spans are exported. Raises ``InvalidSettings``: the endpoint is not a URL."""
    name = next((name for name in ENDPOINTS if environment.get(name)), None)
    if name is not None and not _URL.match(environment[name]):
        raise InvalidSettings(f"{name} is not a URL; expected one such as http://127.0.0.1:4318.")
    return name is not None


class SpanExport:
    """Exports spans from a thread, in batches."""

    def __init__(self) -> None:
        """Raises ``InvalidSettings`` if the libraries are missing."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise InvalidSettings(
                f"{' or '.join(ENDPOINTS)} is set; traces need OpenTelemetry: {how_to_install('otel')}"
            ) from None
        found = Resource.create({"service.version": __version__})
        # OTEL_SERVICE_NAME takes precedence; without it, the library invents a name.
        is_named = not str(found.attributes.get("service.name", "")).startswith("unknown_service")
        self._resource = found if is_named else found.merge(Resource({"service.name": _SERVICE}))
        self._processor: Any = BatchSpanProcessor(OTLPSpanExporter())

    def send(self, spans: Iterable["Span"]) -> None:
        """Queue spans for export. A full queue drops them, with a warning."""
        for span in spans:
            self._processor.on_end(self._readable(span))

    def close(self) -> None:
        """Export what is queued, within a few seconds. Blocks."""
        self._processor.shutdown()

    def _readable(self, span: "Span") -> "ReadableSpan":
        from opentelemetry.sdk.trace import Event, ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

        state = TraceState.from_header([span.state]) if span.state else None

        def context(span_id: str, *, is_remote: bool = False) -> SpanContext:
            flags = TraceFlags(TraceFlags.SAMPLED)
            ids = int(span.trace_id, 16), int(span_id, 16)
            return SpanContext(*ids, is_remote=is_remote, trace_flags=flags, trace_state=state)

        kind = SpanKind.CLIENT if span.is_client else SpanKind.SERVER if span.parent_is_remote else SpanKind.INTERNAL
        return ReadableSpan(
            span.name,
            context=context(span.span_id),
            parent=context(span.parent_id, is_remote=span.parent_is_remote) if span.parent_id else None,
            resource=self._resource,
            attributes=span.attributes,
            events=[Event(name, timestamp=_nanoseconds(at)) for at, name in span.events],
            kind=kind,
            instrumentation_scope=InstrumentationScope(_SERVICE, __version__),
            status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
            start_time=_nanoseconds(span.started_at),
            end_time=_nanoseconds(span.ended_at),
        )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
