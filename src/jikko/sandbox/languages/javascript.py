"""JavaScript runtime: QuickJS calls ``main`` with one object, and its result passes through JSON.

One context is created before the first fork, with what programs expect of Node.js and the language lacks. Each child
has its own copy. A promise as the result becomes ``{}``, as in Dify, but it still runs, so that a rejection is an
error.
"""

import importlib
import json
import math
import os
import re
import resource
from pathlib import Path
from typing import Any, Final

from jikko.diagnostics.translations import worded
from jikko.sandbox.languages import refusals
from jikko.sandbox.languages.failure import RESULT_ERROR, ProgramFailed, shorten

SHIMS: Final = ("number", "text", "url", "clone", "buffer", "host")

# The module `quickjs` starts a thread when imported, and a process with threads must not fork. This one does not.
_quickjs: Any = importlib.import_module("_quickjs")

_WARM_UP: Final = """(function () {
  const f = ({a, b}) => [a, b].map((x) => `${x}-${String(x).toUpperCase()}`).filter((x) => /[a-z]+/g.test(x)).join();
  return f({a: 1, b: "x"}) + JSON.stringify({a: [1, {b: null}]}) + Object.keys({a: 1}).reduce((x, y) => x + y, "");
})()"""

_POSITION: Final = re.compile(r"<input>:(\d+)(?::\d+)?")
_IMPORT: Final = re.compile(r"^\s*(import|export)\b", re.MULTILINE)
_MISSING_NETWORK: Final = re.compile(r"'?(fetch|XMLHttpRequest|WebSocket|EventSource)'? is not defined")


class Engine:
    """JavaScript context. One per fork server; each child uses its copy once."""

    def __init__(self, *, memory_bytes: int, stack_bytes: int) -> None:
        """Create the context and run the shims. ``memory_bytes``, ``stack_bytes``: Limits of a program."""
        self._context = _quickjs.Context()
        self._context.set_memory_limit(memory_bytes)
        self._context.set_max_stack_size(stack_bytes)
        for name in SHIMS:
            host = self._context.eval(_on_one_line(Path(__file__).with_name("shims") / f"{name}.js"))
        self._host = host
        self._memory_bytes = memory_bytes
        self._peak_before = 0
        advice = {
            "network": refusals.NETWORK,
            "files": refusals.FILES,
            "processes": refusals.PROCESSES,
            "modules": worded(refusals.JAVASCRIPT_MODULES),
        }
        self._host("advice", json.dumps(advice))

    def run(self, code: str, arguments: dict[str, Any]) -> str:
        """Run a program. Returns ``main``'s object as JSON text. Raises ``ProgramFailed``: it failed, or returned none;
        ``MemoryError``: memory limit exceeded."""
        # Reseed: the copied context has the same random state in all children.
        self._host("seed", json.dumps(list(os.urandom(16))))
        self._peak_before = _peak_bytes()
        try:
            # The program starts on line 2, so that line 1 is always the shims', and can be left out of errors.
            self._context.eval("\n" + code.encode("utf-8", "replace").decode())
            text = self._host("call", _json_for_javascript(arguments))
            self._drain()
        except _quickjs.StackOverflow as error:
            raise ProgramFailed(_describe(str(error))) from None
        except _quickjs.JSException as error:
            if self._is_out_of_memory(str(error).split("\n")[0]):
                raise MemoryError from None
            raise ProgramFailed(_describe(str(error), code)) from None
        except ValueError as error:
            raise ProgramFailed(f"SyntaxError: {error}") from None
        if not isinstance(text, str) or not text.startswith("{"):
            returned = "nothing" if text is None else shorten(str(text))[:40]
            raise ProgramFailed(f"main must return an object, and returned {returned}", RESULT_ERROR)
        return text

    def warm_up(self) -> None:
        """Touch the memory that a run will need, before a job arrives. Leaves no trace in the context."""
        self._context.eval(_WARM_UP)
        self._host("warm", _json_for_javascript({"a": [1, "b"]}))
        while self._context.execute_pending_job():
            pass

    def _is_out_of_memory(self, message: str) -> bool:
        if message in ("InternalError: out of memory", "[uninitialized]"):
            return True
        # Without memory for an error, the engine throws null. So may a program, but not after using that much.
        return message == "null" and _peak_bytes() - self._peak_before > self._memory_bytes // 2

    def _drain(self) -> None:
        """Run pending work: promise jobs, then timers in due order, without waiting."""
        while True:
            while self._context.execute_pending_job():
                pass
            rejection = self._host("rejection", "")
            if rejection is not None:
                raise ProgramFailed(_describe(rejection))
            if not self._host("timer", ""):
                return


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _on_one_line(file: Path) -> str:
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return " ".join(line for line in lines if line and not line.startswith("//"))


def _json_for_javascript(arguments: dict[str, Any]) -> str:
    try:
        return json.dumps(arguments, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(arguments), allow_nan=False)


def _without_nan(value: Any) -> Any:
    # JavaScript's JSON has no such numbers; JSON.stringify writes null.
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return value


def _describe(text: str, code: str = "") -> str:
    """Return an error's first line, the program's own line from its frames, and an alternative if refused."""
    message, _, frames = text.strip().partition("\n    at ")
    message = message.removesuffix("\nundefined").strip() or "Error"
    if message.startswith("(Failed obtaining"):
        message = "an error was thrown that cannot be turned into text"
    own = [int(line) - 1 for line in _POSITION.findall(frames) if int(line) > 1]
    described = f"{shorten(message)} (line {own[0]})" if own else shorten(message)
    if _MISSING_NETWORK.search(message):
        return f"{described}: {refusals.NETWORK}"
    if message.startswith("SyntaxError") and _IMPORT.search(code):
        return f"{described}: {worded(refusals.JAVASCRIPT_MODULES)}"
    return described
