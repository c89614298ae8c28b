"""Optional libraries and their installation commands."""

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
"""Optional dependencies in ``pyproject.toml``; the catalogue of diagnostics describes their purposes."""


def how_to_install(extra: Extra) -> str:
    """Return the command that installs an extra, and where to run it: no index has Jikko, so a name alone finds
    nothing."""
    return f"pip install '.[{extra}]' in a clone of Jikko"
