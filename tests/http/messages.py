"""Responses about runs, conversations and datasets, field by field: of objects with all fields, and with few.

``python -m tests.http.messages`` rewrites ``messages.txt``. Its changes are visible to clients: they must be intended,
and belong in the changelog.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from jikko.dify import bodies, conversation_bodies, dify_events
from jikko.dify.knowledge import document_bodies
from jikko.events import Event, FormRequested, ReasoningChunk
from jikko.knowledge.documents import IndexingStatus
from jikko.ports.stores.knowledge_records import Document, MetadataField
from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message
from jikko.record import RunRecord
from jikko.repositories.knowledge.document_repository import SegmentCounts
from tests.filled import filled

MESSAGE: Final = "0199a1b2-0000-7000-8000-000000000003"
KEPT: Final = Path(__file__).parent / "messages.txt"


def kept() -> str:
    """Return the content of the file."""
    return "".join(f"{name}: {_text(value)}\n" for name, value in _all())


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode().rstrip("\n").replace("\n\n", " ")
    return msgspec.json.encode(value, order="sorted").decode() if value is not None else "nothing"


def _same(value: Any) -> Any:
    return value


def _all() -> Iterator[tuple[str, Any]]:
    for bare in (False, True):
        mark = "bare " if bare else ""
        for name, value in _of(lambda kind, bare=bare, **given: filled(kind, bare=bare, **given)):
            yield f"{mark}{name}", value


def _of(make: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    record = make(RunRecord, inputs='{"q":1}', outputs=b'{"o":2}', status="failed")
    yield "run", bodies.blocking_body(record, {"o": 2})
    yield "running", bodies.running_body(record)
    yield "paused", bodies.paused_body(record, [make(FormRequested)])
    yield "detail", bodies.detail_body(record, _same)
    yield "log", bodies.log_entry(record)
    for kind in get_args(Event):
        yield kind.__name__, dify_events.event_message(record, make(kind))
    yield "ReasoningChunk shown", dify_events.event_message(record, make(ReasoningChunk, said=""))
    for node_type in ("iteration", "loop", "tool", "http-request"):
        for kind in get_args(Event):
            if "node_type" in kind.__struct_fields__:
                yield f"{kind.__name__} {node_type}", dify_events.event_message(record, make(kind, node_type=node_type))
    yield "refused", dify_events.refused_start("r", "w", {"q": 1}, "it broke", 1_700_000_000.5)
    yield "finished", dify_events.finished_data(record, {"o": 2})
    fresh = conversation_bodies.Fresh(_same, _same)
    yield "message", conversation_bodies.message_body(make(Message, id=MESSAGE), fresh)
    yield "conversation", conversation_bodies.conversation_body(make(Conversation), fresh)
    yield "feedback", conversation_bodies.feedback_body(make(Feedback))
    for value_type in ("string", "integer", "float", "number", "object"):
        variable = make(ConversationVariable, value_type=value_type)
        yield f"variable {value_type}", conversation_bodies.variable_body(variable)
    fields = [filled(MetadataField)]
    for status in ("waiting", "completed", "error", "paused", "indexing"):
        document = make(Document, status=status)
        yield f"document {status}", document_bodies.document_body(document, 7, fields)
        for which in ("all", "only", "without"):
            detail = document_bodies.document_detail(document, document.rule, SegmentCounts(3, 100, 5), fields, which)
            yield f"document {status} {which}", detail
        yield f"indexing {status}", document_bodies.status_body(IndexingStatus(document, 4, 6))


if __name__ == "__main__":
    KEPT.write_text(kept(), "utf-8")
