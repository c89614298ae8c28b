"""All tools of an installation: the implementation of ``ports.tools.Tools`` that nodes have."""

import asyncio
from collections.abc import Mapping
from typing import Final

from jikko.events import Usage
from jikko.ports.tools import Tell, Tool, ToolCall, ToolName, ToolNotFound, Tools
from jikko.values import Json

_NEVER: Final = frozenset({"app", "dataset-retrieval"})
"""Kinds that Dify's node knows and cannot call either. Source: Dify 1.15, spec/tools.md §1."""


class ToolService:
    """Hands each call on to the tools of its kind."""

    def __init__(self, kinds: Mapping[str, Tools], *, builtin: Tools, builtin_names: frozenset[str]) -> None:
        """Args:
        kinds: By ``provider_type``; without ``builtin``.
        builtin: The tools that Jikko has itself.
        builtin_names: Their providers. Every other built-in provider is one of a plugin.
        """
        self._kinds = kinds
        self._builtin = builtin
        self._builtin_names = builtin_names

    def icon(self, name: ToolName) -> Json | None:
        """See ``Tools.icon``."""
        kind = self._kind(name)
        return None if kind is None else kind.icon(name)

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        """See ``Tools.known``."""
        return self._require(name).known(name, app_id=app_id)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        """See ``Tools.find``."""
        return await self._require(name).find(name, app_id=app_id)

    async def call(self, call: ToolCall, tell: Tell) -> Usage | None:
        """See ``Tools.call``."""
        return await self._require(call.tool.name).call(call, tell)

    async def close(self) -> None:
        """See ``Tools.close``."""
        await asyncio.gather(self._builtin.close(), *(kind.close() for kind in self._kinds.values()))

    def _kind(self, name: ToolName) -> Tools | None:
        if name.provider_type == "builtin":
            return self._builtin if name.provider in self._builtin_names else self._kinds.get("plugin")
        return self._kinds.get(name.provider_type)

    def _require(self, name: ToolName) -> Tools:
        kind = self._kind(name)
        if kind is None:
            why = "Dify cannot call such tools either" if name.provider_type in _NEVER else "there are no such tools"
            raise ToolNotFound(f"{name.provider_type or 'tool'} provider {name.provider} not found: {why}")
        return kind
