"""Apps that are MCP servers themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedApp:
    """An app that is an MCP server itself."""

    code: str = field(repr=False)
    """The part of its address that only those know who may call it."""
    app: str
    """Its name."""
    description: str = ""
    """What it is for; by default what the app says."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What its start variables mean, by name."""
    active: bool = True


class ServedApps(Protocol):
    """Finds served apps. ``tools.directory.ToolsDirectory`` is the one implementation."""

    async def served(self, code: str) -> ServedApp | None:
        """The app of a code; ``None`` if there is none, or it is not active."""

    def all_served(self) -> list[ServedApp]:
        """Every one that is known, active or not."""
