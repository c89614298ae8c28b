"""The operations of apps of other modes than the one that is served, each with what refuses it."""

from collections.abc import Iterator
from typing import Final

from jikko.http.operation import Operation, Schema
from jikko.http.routes import chat
from jikko.http.routes.chat import Whose, for_chat_apps, for_completion_apps

_REFUSED: Final = (400, 401)
_WITH_BODY: Final = (400, 401, 413, 415)
_PAGE: Final[Schema] = {"type": "integer", "minimum": 1}
_PAGES: Final = (("page", _PAGE, "Default 1."), ("limit", _PAGE, "Default 20."))

_CHAT: Final[tuple[tuple[str, str, str, Whose, str], ...]] = (
    ("GET", "/v1/messages/{message_id}/suggested", "suggested_questions", "query", "Next questions"),
)
IDS: Final = ("conversation_id", "variable_id", "message_id", "annotation_id", "job_id")


def _operations() -> Iterator[Operation]:
    for method, path, name, whose, summary in _CHAT:
        yield Operation(
            method,
            path,
            for_chat_apps(name, whose),
            f"{summary}; refused",
            {},
            (*(_WITH_BODY if whose.startswith("body") else _REFUSED), *((404,) if _ids(path) else ())),
            tag="Chat apps",
            ids=_ids(path),
        )
    for path, name in (("", "completion"), ("/{task_id}/stop", "stop_completion")):
        yield Operation(
            "POST",
            f"/v1/completion-messages{path}",
            for_completion_apps(name),
            "Completion; refused",
            {},
            _WITH_BODY,
            tag="Completion apps",
        )
    annotation = "/v1/apps/annotations/{annotation_id}"
    reply = "/v1/apps/annotation-reply/{action}"
    status = f"{reply}/status/{{job_id}}"
    yield from (
        Operation(
            "GET",
            "/v1/apps/annotations",
            chat.list_annotations,
            "List annotations",
            {200: chat.Annotations},
            _REFUSED,
            query=_PAGES,
        ),
        Operation("POST", "/v1/apps/annotations", chat.create_annotation, "Annotate; refused", {}, _WITH_BODY),
        Operation(
            "PUT",
            annotation,
            chat.change_annotation,
            "Change an annotation",
            {},
            (*_WITH_BODY, 404),
            ids=_ids(annotation),
        ),
        Operation(
            "DELETE", annotation, chat.delete_annotation, "Delete an annotation", {}, (401, 404), ids=_ids(annotation)
        ),
        Operation("POST", reply, chat.annotation_reply, "Answer by annotations; refused", {}, _REFUSED),
        Operation(
            "GET", status, chat.annotation_reply_status, "How that stands", {}, (*_REFUSED, 404), ids=_ids(status)
        ),
    )


def _ids(path: str) -> tuple[str, ...]:
    return tuple(name for name in IDS if f"{{{name}}}" in path)


CHAT_OPERATIONS: Final = tuple(_operations())
