"""Tool registry of an installation: implementation of ``ports.tools.Tools`` for nodes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol, runtime_checkable

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.events import Usage
from jikko.ports.tools import Emit, Tool, ToolCall, ToolFailure, ToolName, ToolNotFound, Tools
from jikko.values import Json

_NEVER: Final = frozenset({"app", "dataset-retrieval"})
"""Kinds that Dify's node knows but cannot call. Source: docs/dify-behaviour.md, “Tool node”."""

_LIMITED: Final = frozenset({"workflow", "api"})
"""Kinds with timeouts of their own: of the inner run, or of the request."""


@runtime_checkable
class ToolListing(Protocol):
    """Tools that can be listed: see ``ToolService``."""

    def providers(self) -> list[ToolName]: ...
    async def offered(self, provider: ToolName) -> list[Tool]: ...


class ToolService(Struct, eq=False):
    """Dispatches calls to the tools of their kind. Implements ``Tools``."""

    kinds: Mapping[str, Tools]
    """By ``provider_type``."""
    builtin: Tools
    """Jikko's own, with the providers ``builtin_names``. All other built-in providers are plugins."""
    builtin_names: frozenset[str]
    seconds: float = 600.0
    """Timeout of a call, or of a lookup. Calls of workflows are limited by their run."""

    def icon(self, name: ToolName) -> Json | None:
        kind = self._kind(name)
        return None if kind is None else kind.icon(name)

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        return self._require(name).known(name, app_id=app_id)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        kind = self._require(name)
        async with self._deadline_of_asking(name):
            return await kind.find(name, app_id=app_id)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        kind = self._require(call.tool.name)
        try:
            if call.tool.name.provider_type in _LIMITED:
                return await kind.call(call, emit)
            async with asyncio.timeout(self.seconds) as deadline:
                return await kind.call(call, emit)
        except ToolNotFound as failure:  # removed since it was found
            raise ToolFailure(str(failure), reported=False) from None
        except TimeoutError:
            if call.tool.name.provider_type in _LIMITED or not deadline.expired():
                raise
            raise ToolFailure(
                f"it was not done within {self.seconds:g} s (the limit is set by JIKKO_TOOL_SECONDS)"
            ) from None

    def providers(self) -> list[ToolName]:
        """Return the known providers, as names without a tool."""
        found = [ToolName(provider_type="builtin", provider=name, tool="") for name in sorted(self.builtin_names)]
        for kind in self.kinds.values():
            found += kind.providers() if isinstance(kind, ToolListing) else []
        return found

    async def offered(self, provider: ToolName) -> list[Tool]:
        """Return all tools of a provider, asking it if necessary. Raises ``ToolNotFound``: unknown, or silent."""
        kind = self._require(provider)
        async with self._deadline_of_asking(provider):
            return await kind.offered(provider) if isinstance(kind, ToolListing) else []

    @asynccontextmanager
    async def _deadline_of_asking(self, name: ToolName) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.seconds) as deadline:
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            provider, seconds = name.provider_name or name.provider, f"{self.seconds:g}"
            raise ToolNotFound(Phrase("tool.slow_list", {"provider": provider, "seconds": seconds})) from None

    def _kind(self, name: ToolName) -> Tools | None:
        if name.provider_type == "builtin":
            return self.builtin if name.provider in self.builtin_names else self.kinds.get("plugin")
        return self.kinds.get(name.provider_type)

    def _require(self, name: ToolName) -> Tools:
        if name.provider == name.provider_type == "builtin":
            # So in generated files; there is no plugin of that name to install.
            known = ", ".join(sorted(self.builtin_names))
            what = Phrase("tool.type_as_provider", {"provider": repr("builtin"), "tool": name.tool})
            raise ToolNotFound(what, Phrase("remedy.provider_id", {"known": known}))
        kind = self._kind(name)
        if kind is None:
            code = "tool.never" if name.provider_type in _NEVER else "tool.unknown_kind"
            raise ToolNotFound(Phrase(code, {"kind": name.provider_type, "provider": name.provider}))
        return kind
