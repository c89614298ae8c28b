"""Apps served as MCP servers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedApp:
    code: str = field(repr=False)
    """Secret part of its URL, known to callers."""
    app: str
    description: str = ""
    """Purpose; by default the app's description."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Descriptions of its start variables, by name."""
    active: bool = True


class ServedApps(Protocol):
    """Finds served apps. ``tools.directory.ToolsDirectory`` is the only implementation."""

    async def served(self, code: str) -> ServedApp | None:
        """Return the app of a code, or ``None`` if it is unknown or inactive."""

    def all_served(self) -> list[ServedApp]:
        """Return every served app, active or not."""
