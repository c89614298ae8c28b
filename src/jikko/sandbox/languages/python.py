"""Runs a Python program: ``main`` is called with the arguments by keyword, and its result passes through JSON."""

import base64
import builtins
import contextlib
import gc
import json
import linecache
import sys
import types
from _sitebuiltins import Quitter
from collections.abc import Sequence
from typing import Any, Final

from jikko.sandbox.languages.failure import LIMIT_ERROR, RESULT_ERROR, ProgramFailed, describe
from jikko.sandbox.languages.result_files import with_files

FILENAME: Final = "<code>"
"""The file name of the program's own lines in its tracebacks."""

# Taken now: the program may replace them, and only itself would suffer, but its result should still be right.
_compile, _exec, _dumps = compile, exec, json.dumps
_PRESENT: Final = {"json": json, "b64decode": base64.b64decode}

_WARM_UP: Final = """
import json, re, datetime
def main(a, b):
    numbers = [int(x) for x in re.findall(r"[0-9]+", a)]
    return {"r": json.dumps({"s": sum(numbers), "b": b.upper(), "d": str(datetime.date(2024, 1, 2))}), "f": f"{a}-{b}"}
"""


def prepare() -> None:
    """Make the process ready, before it forks: builtins that the ``site`` module would have set."""
    for name in ("exit", "quit"):
        setattr(builtins, name, Quitter(name, "Ctrl-D (i.e. EOF)"))
    warm_up()


def warm_up() -> None:
    """Touch the memory that a run will need, before a job waits."""
    run(_WARM_UP, json.loads('{"a": "1 2 x", "b": "y"}'))
    del sys.modules["__main__"]


def run(code: str, arguments: dict[str, Any], files: Sequence[str] = ()) -> str:
    """Run a program.

    Args:
        files: Which of its results are files.

    Returns:
        What ``main`` returned, as JSON text of an object. May hold ``NaN`` and ``Infinity``.

    Raises:
        ProgramFailed: The program failed, or what it returned is no JSON object.
    """
    module = types.ModuleType("__main__")
    # Data classes and pickle look the module of a class up by its name.
    sys.modules["__main__"] = module
    lines = code.splitlines(keepends=True)
    linecache.cache[FILENAME] = (len(code), None, lines, FILENAME)
    try:
        _exec(_compile(code, FILENAME, "exec", dont_inherit=True), module.__dict__)
        # Dify's program has them behind the code, for itself; published code uses them in main.
        for name, value in _PRESENT.items():
            module.__dict__.setdefault(name, value)
        main = module.__dict__.get("main")
        if main is None:
            raise ProgramFailed("NameError: name 'main' is not defined: the program must define a function main")
        result = main(**arguments)
        if files and isinstance(result, dict):
            result = with_files(result, files)
        text = _dumps(result, ensure_ascii=False)
    except ProgramFailed:
        raise
    except MemoryError as error:
        # Frees what the program holds, or there would be no memory left to tell of it.
        _forget(module, error)
        raise ProgramFailed("memory", LIMIT_ERROR) from None
    except SystemError as error:
        # What is left when there was no memory for the exception itself.
        if "without" not in str(error):
            raise ProgramFailed(describe(error, FILENAME)) from None
        _forget(module, error)
        raise ProgramFailed("memory", LIMIT_ERROR) from None
    except BaseException as error:
        raise ProgramFailed(describe(error, FILENAME)) from None
    if not text.startswith("{"):
        raise ProgramFailed(f"main must return a dict, and returned {type(result).__name__}", RESULT_ERROR)
    return text


def _forget(module: types.ModuleType, error: BaseException) -> None:
    frame = error.__traceback__
    while frame is not None:
        # Our own frame is still running, and cannot be cleared.
        with contextlib.suppress(RuntimeError):
            frame.tb_frame.clear()
        frame = frame.tb_next
    error.__traceback__ = None
    module.__dict__.clear()
    gc.collect()
