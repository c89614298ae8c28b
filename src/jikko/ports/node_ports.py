"""Bundle of the ports that nodes use."""

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
    async def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> list[Message] | None:
        """See ``ConversationStore.messages``."""


class ValueLimits(Struct, frozen=True, kw_only=True):
    """Size limits of node values.

    The defaults are Dify's. Source: docs/dify-behaviour.md, “Size limits”.
    """

    max_text: int = 400_000
    """Characters of a text from a code or template node."""
    max_number: int = 9_223_372_036_854_775_807
    """Absolute value of a number from a code node."""
    max_decimals: int = 20
    """Decimal places of a float from a code node."""
    max_depth: int = 5
    """Nesting levels of an object from a code node."""
    max_strings: int = 30
    """Elements of an ``array[string]`` from a code node."""
    max_objects: int = 30
    """Elements of an ``array[object]`` from a code node."""
    max_numbers: int = 1000
    """Elements of an ``array[number]`` from a code node."""
    max_expanded: int = 4_000_000
    """Characters of all texts that a node expands from references. Not in Dify, which has no such limit."""
    max_http_text: int = 1_048_576
    """Bytes of a text received by an HTTP request node, decompressed."""
    max_code_requests: int = 100
    """HTTP requests per execution of a code node."""
    max_http_file: int = 10_485_760
    """Bytes of a file received by an HTTP request node, decompressed."""
    max_tool_text: int = 10_485_760
    """Characters of a tool call's texts, JSON and variables. Not in Dify; nor is ``max_tool_files``."""
    max_tool_files: int = 67_108_864
    """Bytes of all files of a tool call."""
    max_tool_file_count: int = 1000
    tool_seconds: float = 600.0
    """Timeout of a tool call, including storing its files."""


class NodePorts(Struct, frozen=True, kw_only=True):
    """Port implementations of one process."""

    sandbox: Sandbox
    http: HttpClient
    files: FileStore
    documents: DocumentReader
    models: Models
    fake_models: Callable[[], Models]
    """Factory of models that answer without a provider."""
    knowledge: KnowledgeSearch
    strategies: Strategies
    history: EarlierTurns
    tools: Tools
    limits: ValueLimits = field(default_factory=ValueLimits)
    agent_limits: AgentLimits = field(default_factory=AgentLimits)
