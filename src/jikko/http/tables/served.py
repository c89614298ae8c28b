"""The table of operations as the application serves it: what is asked for all the time, and sections of all else."""

from collections.abc import Iterable
from typing import Final

from jikko.http.operation import Operation, Section
from jikko.http.tables.health_operations import HEALTH_OPERATIONS, INDEX
from jikko.http.tables.workflow_operations import WORKFLOW_OPERATIONS
from jikko.http.welcome import WELCOME_OPERATIONS


def _conversations() -> Iterable[Operation]:
    from jikko.http.tables.conversation_operations import CONVERSATION_OPERATIONS

    return CONVERSATION_OPERATIONS


def _around_chats() -> Iterable[Operation]:
    from jikko.http.tables.chat_operations import CHAT_OPERATIONS

    return CHAT_OPERATIONS


def _knowledge() -> Iterable[Operation]:
    from jikko.http.tables.knowledge.operations import KNOWLEDGE_OPERATIONS

    return KNOWLEDGE_OPERATIONS


def _mcp() -> Iterable[Operation]:
    from jikko.http.tables.mcp_operations import MCP_OPERATIONS

    return MCP_OPERATIONS


def _reference() -> Iterable[Operation]:
    from jikko.http.reference.operations import REFERENCE_OPERATIONS

    return REFERENCE_OPERATIONS


SERVED: Final[tuple[Operation | Section, ...]] = (
    *WORKFLOW_OPERATIONS,
    INDEX,
    *HEALTH_OPERATIONS,
    *WELCOME_OPERATIONS,
    Section(("/v1/chat-messages", "/v1/messages", "/v1/conversations", "/v1/app/"), _conversations),
    Section(
        ("/v1/messages/", "/v1/apps/", "/v1/audio-to-text", "/v1/text-to-audio", "/v1/completion-messages"),
        _around_chats,
    ),
    Section(("/v1/datasets", "/v1/workspaces/"), _knowledge, services=lambda api: (api.knowledge,)),
    Section(("/mcp/",), _mcp, services=lambda api: (api.served_apps,)),
    Section(("/openapi.json", "/docs"), _reference),
)
