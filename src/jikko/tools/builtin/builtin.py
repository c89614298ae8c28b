"""Built-in tools, as in Dify's own tree."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.events import Usage
from jikko.ports.clock import Clock
from jikko.ports.files.documents import DocumentReader
from jikko.ports.http import HttpClient
from jikko.ports.sandbox import Sandbox, SandboxFailure
from jikko.ports.tools import Emit, TextMessage, Tool, ToolCall, ToolFailure, ToolName, ToolNotFound
from jikko.tools.builtin.builtin_audio import Audio
from jikko.tools.builtin.builtin_tool import BuiltinTool, parameter
from jikko.tools.builtin.time import time_tools
from jikko.tools.builtin.webscraper import Webscraper
from jikko.values import Json

BUILTIN: Final = ("audio", "code", "time", "webscraper")
"""Providers."""
_SYMBOLS: Final = {"audio": "🔊", "code": "⌨️", "time": "🕐", "webscraper": "🕸️"}
_SVG: Final = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><text y="19" font-size="20">{}</text></svg>'


class BuiltinTools:
    """``Tools`` of ``BUILTIN``. Implements ``ToolListing``. Source: docs/dify-behaviour.md, “Built-in tools”."""

    def __init__(
        self, *, audio: Audio, http: HttpClient, documents: DocumentReader, sandbox: Sandbox, clock: Clock
    ) -> None:
        self._providers: Mapping[str, Mapping[str, BuiltinTool]] = {
            "audio": audio.tools(),
            "code": code_tools(sandbox),
            "time": time_tools(clock),
            "webscraper": Webscraper(http, documents).tools(),
        }
        self._icons = {name: f"data:image/svg+xml,{quote(_SVG.format(symbol))}" for name, symbol in _SYMBOLS.items()}

    def icon(self, name: ToolName) -> Json | None:
        return self._icons.get(name.provider)

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        found = self._providers.get(name.provider, {}).get(name.tool)
        if found is None:
            has = {"provider": name.provider, "known": ", ".join(self._providers.get(name.provider, ()))}
            raise ToolNotFound(Phrase("tool.no_builtin", {"name": name.tool}), Phrase("remedy.provider_has", has))
        return Tool(
            name=name, parameters=found.parameters, description=found.description, open_settings=found.open_settings
        )

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        tool = self.known(name)
        assert tool is not None
        return tool

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        name = call.tool.name
        await self._providers[name.provider][name.tool].act(call.parameters, call, emit)
        return None

    def providers(self) -> list[ToolName]:
        return [ToolName(provider_type="builtin", provider=name, tool="") for name in self._providers]

    async def offered(self, provider: ToolName) -> list[Tool]:
        names = self._providers.get(provider.provider, ())
        return [await self.find(replace(provider, tool=name)) for name in names]


# The tool of the provider ``code``: runs a program in the sandbox and returns its output.
#
# Source: docs/dify-behaviour.md, “Built-in tools”.

_PYTHON: Final = """\
def main(code):
    import contextlib, io
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
    return {"printed": printed.getvalue()}
"""
_JAVASCRIPT: Final = """\
function main({code}) {
  const printed = [];
  const shown = (value) => typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  const log = (...values) => { printed.push(values.map(shown).join(" ") + "\\n"); };
  new Function("console", code)({...globalThis.console, log, info: log, debug: log});
  return {printed: printed.join("")};
}
"""
_PROGRAMS: Final = {"python3": _PYTHON, "javascript": _JAVASCRIPT}


def code_tools(sandbox: Sandbox) -> Mapping[str, BuiltinTool]:
    """Return the tools of ``code``. ``sandbox``: Runs the programs."""

    async def act(values: Mapping[str, Json], call: ToolCall, emit: Emit) -> None:
        language = values.get("language")
        program = _PROGRAMS.get(language) if isinstance(language, str) else None
        if program is None or not isinstance(language, str):
            raise ToolFailure(f"Only python3 and javascript are supported, not {language}", reported=False)
        try:
            result = await sandbox.run_code(language, program, {"code": values.get("code") or ""}, app_id=call.app_id)
        except SandboxFailure as failure:
            raise ToolFailure(str(failure)) from None
        emit(TextMessage(str(result["printed"])))

    return {
        "simple_code": BuiltinTool(
            (parameter("language", required=True), parameter("code", required=True)),
            act,
            "runs a program and returns its output",
        )
    }
