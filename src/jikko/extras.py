"""Libraries that are installed on demand, and how."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Extra: TypeAlias = Literal[
    "anthropic", "archive", "cluster", "documents", "knowledge", "local", "mcp", "otel", "plugins", "wordllama"
]
"""The optional dependencies in ``pyproject.toml``."""

WHAT_FOR: Final[Mapping[Extra, str]] = {
    "anthropic": "models of providers of type anthropic",
    "archive": "old runs in a bucket, and out of the database",
    "cluster": "the record in PostgreSQL, files in a bucket, and several servers",
    "documents": "the text of PDF, Word, Excel, PowerPoint and other documents",
    "knowledge": "searching datasets by vectors, Chinese and Japanese words, and encrypted ids of datasets",
    "local": "models that run in this process, of type llama_cpp",
    "mcp": "tools of MCP servers",
    "otel": "sending traces by OpenTelemetry",
    "plugins": "installing Dify's plugins",
    "wordllama": "a small model in this process that makes vectors, of type wordllama",
}
"""What each is needed for."""


def how_to_install(extra: Extra) -> str:
    """The command that installs an extra, and where: no index has Jikko, so its name alone finds nothing."""
    return f"pip install '.[{extra}]' in a clone of Jikko"
