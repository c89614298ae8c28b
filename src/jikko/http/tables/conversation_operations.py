"""The operations of chat apps: turns, conversations, messages and variables."""

from typing import Final

from jikko.dify.chat_messages import ChatAccepted, ChatAnswer
from jikko.dify.conversation_bodies import (
    ConversationBody,
    ConversationPage,
    FeedbackPage,
    MessagePage,
    VariableBody,
    VariablePage,
)
from jikko.http.fields import UserRequest
from jikko.http.operation import Operation, Schema
from jikko.http.parameters import START_ERRORS, START_HEADERS, TRACE_QUERY
from jikko.http.routes.conversations import conversations, messages, turns, variables
from jikko.http.routes.runs import Stopped

_TEXT: Final[Schema] = {"type": "string"}
_UUID: Final[Schema] = {**_TEXT, "format": "uuid"}
_LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 100}
_PAGE: Final[Schema] = {"type": "integer", "minimum": 1}
_USER: Final = ("user", _TEXT, "Whose they are; by default those of requests without a user.")
_ONE: Final = "/v1/conversations/{conversation_id}"
_TAG: Final = "Chat apps"

CONVERSATION_OPERATIONS: Final = (
    Operation(
        "POST",
        "/v1/chat-messages",
        turns.chat,
        "Ask a question",
        {200: ChatAnswer, 202: ChatAccepted},
        START_ERRORS,
        tag=_TAG,
        body=turns.ChatRequest,
        query=TRACE_QUERY,
        headers=START_HEADERS,
        streams=True,
        hot=True,
        starts=True,
    ),
    Operation(
        "POST",
        "/v1/chat-messages/{task_id}/stop",
        turns.stop_chat,
        "Stop an answer",
        {200: Stopped},
        (400, 401, 413, 415, 503),
        tag=_TAG,
        body=UserRequest,
    ),
    Operation(
        "GET",
        "/v1/messages",
        messages.messages,
        "List messages of a conversation, oldest first",
        {200: MessagePage},
        (400, 401, 404),
        tag=_TAG,
        query=(
            ("conversation_id*", _UUID, "The conversation."),
            _USER,
            ("first_id", _UUID, "Only messages before this one."),
            ("limit", _LIMIT, "Default 20."),
        ),
    ),
    Operation(
        "POST",
        "/v1/messages/{message_id}/feedbacks",
        messages.give_feedback,
        "Rate an answer",
        {200: Stopped},
        (400, 401, 404, 413, 415, 503),
        tag=_TAG,
        body=messages.FeedbackRequest,
        ids=("message_id",),
    ),
    Operation(
        "GET",
        "/v1/app/feedbacks",
        messages.list_feedbacks,
        "List ratings",
        {200: FeedbackPage},
        (400, 401),
        tag=_TAG,
        query=(("page", _PAGE, "Default 1."), ("limit", {**_PAGE, "maximum": 101}, "Default 20.")),
    ),
    Operation(
        "GET",
        "/v1/conversations",
        conversations.conversations,
        "List conversations",
        {200: ConversationPage},
        (400, 401, 404),
        tag=_TAG,
        query=(
            _USER,
            ("last_id", _UUID, "Begin behind this one."),
            ("limit", _LIMIT, "Default 20."),
            ("sort_by", {**_TEXT, "enum": list(conversations.ORDERS)}, "Default -updated_at."),
        ),
    ),
    Operation(
        "DELETE",
        _ONE,
        conversations.delete_conversation,
        "Delete a conversation",
        {204: "application/json"},
        (400, 401, 404, 413, 415, 503),
        tag=_TAG,
        body=conversations.OptionalUser,
        ids=("conversation_id",),
    ),
    Operation(
        "POST",
        f"{_ONE}/name",
        conversations.rename_conversation,
        "Name a conversation",
        {200: ConversationBody},
        (400, 401, 404, 413, 415, 503),
        tag=_TAG,
        body=conversations.NameRequest,
        ids=("conversation_id",),
    ),
    Operation(
        "GET",
        f"{_ONE}/variables",
        variables.conversation_variables,
        "List the variables of a conversation",
        {200: VariablePage},
        (400, 401, 404),
        tag=_TAG,
        query=(
            _USER,
            ("last_id", _UUID, "Begin behind this one."),
            ("limit", _LIMIT, "Default 20."),
            ("variable_name", _TEXT, "A part of the name, in any case."),
        ),
        ids=("conversation_id",),
    ),
    Operation(
        "PUT",
        f"{_ONE}/variables/{{variable_id}}",
        variables.set_conversation_variable,
        "Set a variable of a conversation",
        {200: VariableBody},
        (400, 401, 404, 413, 415, 503),
        tag=_TAG,
        body=variables.VariableRequest,
        ids=("conversation_id", "variable_id"),
    ),
)
