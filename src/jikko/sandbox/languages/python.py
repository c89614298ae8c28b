"""Python runtime: ``main`` is called with keyword arguments, and its result passes through JSON."""

import base64
import builtins
import contextlib
import gc
import io
import json
import linecache
import sys
import types
from _sitebuiltins import Quitter
from collections.abc import Sequence
from typing import Any, Final

from jikko.sandbox.languages.failure import RESULT_ERROR, ProgramFailed, describe

FILENAME: Final = "<code>"
"""File name of the program's own lines in tracebacks."""

# Saved: a program that replaces them would otherwise spoil its own result.
_compile, _exec, _dumps = compile, exec, json.dumps
_PRESENT: Final = {"json": json, "b64decode": base64.b64decode}

_WARM_UP: Final = """
import json, re, datetime
def main(a, b):
    numbers = [int(x) for x in re.findall(r"[0-9]+", a)]
    return {"r": json.dumps({"s": sum(numbers), "b": b.upper(), "d": str(datetime.date(2024, 1, 2))}), "f": f"{a}-{b}"}
"""


def prepare() -> None:
    """Set the builtins of the ``site`` module, before forking."""
    for name in ("exit", "quit"):
        setattr(builtins, name, Quitter(name, "Ctrl-D (i.e. EOF)"))
    warm_up()


def warm_up() -> None:
    """Touch the memory that a run will need, before a job arrives."""
    run(_WARM_UP, json.loads('{"a": "1 2 x", "b": "y"}'))
    del sys.modules["__main__"]


def run(code: str, arguments: dict[str, Any], files: Sequence[str] = ()) -> str:
    """Run a program. ``files``: Results that are files. Returns ``main``'s object as JSON text, perhaps with ``NaN``
    and ``Infinity``. Raises ``ProgramFailed``: it failed, or returned no JSON object; ``MemoryError``: memory limit
    exceeded."""
    module = types.ModuleType("__main__")
    # Data classes and pickle look up a class's module by name.
    sys.modules["__main__"] = module
    lines = code.splitlines(keepends=True)
    linecache.cache[FILENAME] = (len(code), None, lines, FILENAME)
    try:
        _exec(_compile(code, FILENAME, "exec", dont_inherit=True), module.__dict__)
        # Dify appends these imports to the code for itself; published code uses them in main.
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
        # Frees the program's objects, or there would be no memory for the message.
        _forget(module, error)
        raise MemoryError from None
    except SystemError as error:
        # All that is left if there was no memory for the exception.
        if "without" not in str(error):
            raise ProgramFailed(describe(error, FILENAME)) from None
        _forget(module, error)
        raise MemoryError from None
    except BaseException as error:
        raise ProgramFailed(describe(error, FILENAME)) from None
    if not text.startswith("{"):
        raise ProgramFailed(f"main must return a dict, and returned {type(result).__name__}", RESULT_ERROR)
    return text


def _forget(module: types.ModuleType, error: BaseException) -> None:
    frame = error.__traceback__
    while frame is not None:
        # The current frame is running, and cannot be cleared.
        with contextlib.suppress(RuntimeError):
            frame.tb_frame.clear()
        frame = frame.tb_next
    error.__traceback__ = None
    module.__dict__.clear()
    gc.collect()


_MARK: Final = "jikko_file"
_BEGINNINGS: Final = (
    (b"\x89PNG\r\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"%PDF-", ".pdf"),
    (b"PK\x03\x04", ".zip"),
    (b"<svg", ".svg"),
)


def with_files(result: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the result with files encoded as JSON. Raises ``ProgramFailed`` if a value is not a file.

    Args:
        names: Entries that are files, or lists of them. ``None`` stays, and missing ones are skipped.
    """
    return {name: _of(value, name) if name in names else value for name, value in result.items()}


def _of(value: Any, name: str) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [None if each is None else _file(each, f"{name}-{number}") for number, each in enumerate(value, 1)]
    return _file(value, name)


def _file(value: Any, name: str) -> dict[str, Any]:
    filename = ""
    if isinstance(value, dict) and "content" in value:
        filename = str(value.get("filename") or value.get("name") or "")
        value = value["content"]
    content, extension = _content(value, name)
    text = base64.b64encode(content).decode()
    return {_MARK: {"filename": filename or f"{name}{extension}", "content": text}}


def _content(value: Any, name: str) -> tuple[bytes, str]:
    """Return the content, and the suffix of the file's name."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _known(bytes(value))
    if isinstance(value, io.BytesIO):
        return _known(value.getvalue())
    if isinstance(value, io.StringIO):
        value = value.getvalue()
    if isinstance(value, str):
        return _text(value)
    if hasattr(value, "savefig"):
        # A figure of matplotlib, or its module `pyplot`, which has a current one.
        return _saved(value.savefig, "png")
    figure: Any = getattr(value, "figure", None)
    if hasattr(figure, "savefig"):
        return _saved(figure.savefig, "png")
    if hasattr(value, "save") and hasattr(value, "mode"):
        # A picture of Pillow.
        return _saved(value.save, (getattr(value, "format", None) or "png").lower())
    raise ProgramFailed(
        f"the output {name} is a file, but {type(value).__name__} is not: return bytes, a BytesIO, a figure, "
        'a picture or {"filename": …, "content": …}',
        RESULT_ERROR,
    )


def _saved(save: Any, kind: str) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    save(buffer, format=kind)
    return buffer.getvalue(), f".{kind}"


def _text(value: str) -> tuple[bytes, str]:
    head, comma, _ = value[:100].partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        return _known(base64.b64decode(value[len(head) + 1 :]))
    return value.encode("utf-8", "replace"), ".txt"


def _known(content: bytes) -> tuple[bytes, str]:
    extension = next((extension for start, extension in _BEGINNINGS if content.startswith(start)), "")
    if not extension and content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        extension = ".webp"
    return content, extension or ".bin"
