"""Every operation of the API in one table, for what describes it. What serves it has ``tables.served``."""

from typing import Final

from jikko.http.operation import Operation
from jikko.http.tables.chat_operations import CHAT_OPERATIONS
from jikko.http.tables.conversation_operations import CONVERSATION_OPERATIONS
from jikko.http.tables.health_operations import HEALTH_OPERATIONS, INDEX
from jikko.http.tables.knowledge.operations import KNOWLEDGE_OPERATIONS
from jikko.http.tables.mcp_operations import MCP_OPERATIONS
from jikko.http.tables.workflow_operations import WORKFLOW_OPERATIONS

OPERATIONS: Final[tuple[Operation, ...]] = (
    *WORKFLOW_OPERATIONS,
    *CONVERSATION_OPERATIONS,
    *CHAT_OPERATIONS,
    *KNOWLEDGE_OPERATIONS,
    *MCP_OPERATIONS,
    INDEX,
    *HEALTH_OPERATIONS,
)
