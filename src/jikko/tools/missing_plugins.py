"""Tools of plugins, where plugins cannot be run: nothing but what is missing."""

from jikko.dsl.repair import tool_provider
from jikko.events import Usage
from jikko.ports.tools import Tell, Tool, ToolCall, ToolFailure, ToolName, ToolNotFound
from jikko.values import Json


class MissingPlugins:
    """``Tools`` in which there are none; messages name the plugin that has the tool."""

    def icon(self, name: ToolName) -> Json | None:
        """See ``Tools.icon``."""
        return None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        """See ``Tools.known``."""
        raise self._missing(name)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        """See ``Tools.find``."""
        raise self._missing(name)

    async def call(self, call: ToolCall, tell: Tell) -> Usage | None:
        """See ``Tools.call``."""
        raise ToolFailure(str(self._missing(call.tool.name)), reported=False)

    async def close(self) -> None:
        """See ``Tools.close``."""

    @staticmethod
    def _missing(name: ToolName) -> ToolNotFound:
        plugin = name.plugin.partition("@")[0] or "/".join(tool_provider(name.provider).split("/")[:2])
        return ToolNotFound(
            f"the tool {name} is part of the plugin {plugin}, which is not installed",
            "Jikko does not run Dify's plugins yet: replace the node by an HTTP Request node that asks the same "
            "service, or by a tool of the tools file",
        )
