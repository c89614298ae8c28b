"""The operations of annotations."""

from typing import Final

from jikko.http.operation import Operation, Schema
from jikko.http.routes import annotations

_ANNOTATION: Final = "/v1/apps/annotations/{annotation_id}"
_REPLY: Final = "/v1/apps/annotation-reply/{action}"
_REFUSED: Final = (400, 401)
_WITH_BODY: Final = (400, 401, 413, 415)
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 1}
_TAG: Final = "Annotations"

ANNOTATION_OPERATIONS: Final = (
    Operation(
        "GET",
        "/v1/apps/annotations",
        annotations.list_annotations,
        "List annotations, newest first",
        {200: annotations.AnnotationPage},
        _REFUSED,
        tag=_TAG,
        query=(
            ("page", _WHOLE, "Default 1."),
            ("limit", _WHOLE, "Default 20; 100 at most count."),
            ("keyword", {"type": "string"}, "A part of question or answer."),
        ),
    ),
    Operation(
        "POST",
        "/v1/apps/annotations",
        annotations.create_annotation,
        "Keep a question and its answer",
        {201: annotations.AnnotationItem},
        (*_WITH_BODY, 503),
        tag=_TAG,
        body=annotations.AnnotationRequest,
    ),
    Operation(
        "PUT",
        _ANNOTATION,
        annotations.change_annotation,
        "Change a question and its answer",
        {200: annotations.AnnotationItem},
        (*_WITH_BODY, 404, 503),
        tag=_TAG,
        body=annotations.AnnotationRequest,
        ids=("annotation_id",),
    ),
    Operation(
        "DELETE",
        _ANNOTATION,
        annotations.delete_annotation,
        "Remove an annotation",
        {204: "application/json"},
        (400, 401, 404, 503),
        tag=_TAG,
        ids=("annotation_id",),
    ),
    Operation(
        "POST",
        _REPLY,
        annotations.reply,
        "Answer by annotations from now on, or no more (action: enable, disable)",
        {200: annotations.ReplyBegun},
        (*_WITH_BODY, 503),
        tag=_TAG,
        body=annotations.ReplyRequest,
    ),
    Operation(
        "GET",
        f"{_REPLY}/status/{{job_id}}",
        annotations.reply_status,
        "How far that is",
        {200: annotations.ReplyStatus},
        (*_REFUSED, 404),
        tag=_TAG,
        ids=("job_id",),
    ),
)
"""See ``routes/annotations.py``."""
