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
    ("POST", "/v1/chat-messages", "chat", "body", "Chat"),
    ("POST", "/v1/chat-messages/{task_id}/stop", "stop_chat", "body", "Stop a chat message"),
    ("GET", "/v1/messages/{message_id}/suggested", "suggested_questions", "query", "Next questions"),
    ("GET", "/v1/messages", "messages", "query, or nobody's", "List messages"),
    ("GET", "/v1/conversations", "conversations", "query, or nobody's", "List conversations"),
    ("DELETE", "/v1/conversations/{conversation_id}", "delete_conversation", "body, or nobody's", "Delete one"),
    ("POST", "/v1/conversations/{conversation_id}/name", "rename_conversation", "body, or nobody's", "Rename one"),
    (
        "GET",
        "/v1/conversations/{conversation_id}/variables",
        "conversation_variables",
        "query, or nobody's",
        "List the variables of a conversation",
    ),
    (
        "PUT",
        "/v1/conversations/{conversation_id}/variables/{variable_id}",
        "set_conversation_variable",
        "body, or nobody's",
        "Set a variable of a conversation",
    ),
)
IDS: Final = ("conversation_id", "variable_id", "message_id")


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
    feedback = "/v1/messages/{message_id}/feedbacks"
    yield from (
        Operation("POST", feedback, chat.give_feedback, "Rate an answer", {}, (*_WITH_BODY, 404), ids=_ids(feedback)),
        Operation(
            "GET",
            "/v1/app/feedbacks",
            chat.list_feedbacks,
            "List ratings",
            {200: chat.Feedbacks},
            _REFUSED,
            query=(_PAGES[0], ("limit", {**_PAGE, "maximum": 101}, "Default 20.")),
        ),
    )


def _ids(path: str) -> tuple[str, ...]:
    return tuple(name for name in IDS if f"{{{name}}}" in path)


CHAT_OPERATIONS: Final = tuple(_operations())
