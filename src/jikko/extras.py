"""Libraries that are installed on demand, and how."""

from typing import Literal, TypeAlias

Extra: TypeAlias = Literal[
    "anthropic",
    "archive",
    "cluster",
    "cluster-try",
    "documents",
    "knowledge",
    "local",
    "mcp",
    "otel",
    "plugins",
    "wordllama",
]
"""The optional dependencies in ``pyproject.toml``; the catalogue of diagnostics says what each is for."""


def how_to_install(extra: Extra) -> str:
    """The command that installs an extra, and where: no index has Jikko, so its name alone finds nothing."""
    return f"pip install '.[{extra}]' in a clone of Jikko"
