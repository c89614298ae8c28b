"""The operations of conversations."""

from typing import Final

from jikko.http.console import chat
from jikko.http.console.queries import PAGE_QUERY
from jikko.http.console.tables.entry import IN_APP, NOTHING, OPERATORS, START_ERRORS, Entry
from jikko.http.parameters import KEY

_USER: Final = (("user", {"type": "string"}, "The user of the requests, exactly."),)
_AFTER: Final = (("after_message", {"type": "string"}, "The id of a message."),)

CHAT: Final = (
    Entry(
        "GET",
        "apps/{app_id}/conversations",
        chat.list_conversations,
        "Conversations of an app",
        {200: chat.Conversations},
        {"query": (*_USER, *PAGE_QUERY), "errors": (400, 404)},
    ),
    Entry(
        "POST",
        "apps/{app_id}/messages",
        chat.ask,
        "Ask a chat app",
        {202: chat.QuestionAccepted},
        {**OPERATORS, "body": chat.Question, "headers": KEY, "errors": START_ERRORS, "starts": True},
    ),
    Entry(
        "GET",
        "conversations/{conversation_id}/messages",
        chat.list_messages,
        "Messages of a conversation",
        {200: chat.Messages},
        {"query": PAGE_QUERY, "errors": (400, 404)},
    ),
    Entry(
        "GET",
        "conversations/{conversation_id}/variables",
        chat.list_variables,
        "Variables of a conversation",
        {200: chat.ChatVariables},
        {"query": _AFTER, "errors": (404, 503)},
    ),
    Entry(
        "DELETE",
        "conversations/{conversation_id}",
        chat.delete_conversation,
        "Remove a conversation",
        NOTHING,
        {**OPERATORS, **IN_APP},
    ),
)
