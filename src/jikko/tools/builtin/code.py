"""The tool of the provider ``code``: runs a program in the sandbox and tells what it printed.

Source: Dify 1.15, spec/tools.md §3.
"""

from collections.abc import Mapping
from typing import Final

from jikko.ports.sandbox import Sandbox, SandboxFailure
from jikko.ports.tools import Emit, TextMessage, ToolCall, ToolFailure
from jikko.tools.builtin.tool import BuiltinTool, parameter
from jikko.values import Json

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
    """Args:
    sandbox: Where programs run.
    """

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
            "runs a program and tells what it printed",
        )
    }
