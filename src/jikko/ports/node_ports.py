"""The ports of nodes to the outside world, in one bundle."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field

from jikko.ports.agents import AgentLimits, Strategies
from jikko.ports.files.documents import DocumentReader
from jikko.ports.files.file_store import FileStore
from jikko.ports.http import HttpClient
from jikko.ports.knowledge import KnowledgeSearch
from jikko.ports.models import Models
from jikko.ports.sandbox import Sandbox
from jikko.ports.stores.messages import Message
from jikko.ports.tools import Tools


class EarlierTurns(Protocol):
    """The earlier turns of conversations."""

    async def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> list[Message] | None:
        """See ``ConversationStore.messages``."""


class ValueLimits(Struct, frozen=True, kw_only=True):
    """How large the values that nodes make may be.

    The defaults are Dify's. Source: docs/dify-behaviour.md, “Size limits”.
    """

    max_text: int = 400_000
    """Characters of a text that a code or template node makes."""
    max_number: int = 9_223_372_036_854_775_807
    """Largest absolute value of a number that a code node makes."""
    max_decimals: int = 20
    """Decimal places of a float that a code node makes."""
    max_depth: int = 5
    """Levels of an object that a code node makes."""
    max_strings: int = 30
    """Elements of an ``array[string]`` that a code node makes."""
    max_objects: int = 30
    """Elements of an ``array[object]`` that a code node makes."""
    max_numbers: int = 1000
    """Elements of an ``array[number]`` that a code node makes."""
    max_expanded: int = 4_000_000
    """Characters of all texts that one node makes of texts with references. Not Dify's, which has no such limit."""
    max_http_text: int = 1_048_576
    """Bytes of a text that an HTTP request node receives, decompressed."""
    max_code_requests: int = 100
    """HTTP requests that the program of one code node may make."""
    max_http_file: int = 10_485_760
    """Bytes of a file that an HTTP request node receives, decompressed."""
    max_tool_text: int = 10_485_760
    """Characters of all that a tool says in one call: texts, JSON, variables. Not Dify's; so is ``max_tool_files``."""
    max_tool_files: int = 67_108_864
    """Bytes of all files that a tool makes in one call."""
    max_tool_file_count: int = 1000
    """Files that a tool makes in one call."""
    tool_seconds: float = 600.0
    """What one call may take until its files are stored."""


class NodePorts(Struct, frozen=True, kw_only=True):
    """The implementations that one process was assembled with."""

    sandbox: Sandbox
    http: HttpClient
    files: FileStore
    documents: DocumentReader
    models: Models
    fake_models: Callable[[], Models]
    """Makes those that answer without a provider."""
    knowledge: KnowledgeSearch
    strategies: Strategies
    history: EarlierTurns
    tools: Tools
    limits: ValueLimits = field(default_factory=ValueLimits)
    agent_limits: AgentLimits = field(default_factory=AgentLimits)
