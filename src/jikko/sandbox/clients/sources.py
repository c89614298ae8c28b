"""Sources of the modules that programs have from the start."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jikko.sandbox.clients import LIBRARIES
from jikko.sandbox.languages.memory import MemoryImporter, Source, modules_below

_HERE: Final = "jikko.sandbox.clients"
_EXCLUDED_FILES: Final = ("__pycache__", "__main__.py", "_main.py", "cli", "cli.py", "emscripten", "pyopenssl.py")
"""Commands, and ways to connect."""
_COMPLETED: Final = {"urllib3": f"{_HERE}.connections", "requests": f"{_HERE}.adapter", "httpx": f"{_HERE}.transport"}
_CERTIFICATES: Final = b'def where():\n    return "/no/certificates/here"\n'
"""Replaces ``certifi``: the server verifies certificates, and programs have no files."""


def clients_in_memory() -> MemoryImporter:
    """Load the clients and their dependencies into memory. Raises ``ImportError`` if one is not installed."""
    return MemoryImporter(_modules(), completed=_COMPLETED)


def _modules() -> Iterator[tuple[str, Source]]:
    for name in ("jikko", "jikko.sandbox", _HERE):
        yield name, Source(True, False, b"")
    yield from modules_below(str(Path(__file__).parent), ("__pycache__", "__init__.py", "sources.py"), within=_HERE)
    yield "certifi", Source(False, False, _CERTIFICATES)
    for name in LIBRARIES:
        if name != "certifi":
            found = importlib.util.find_spec(name)
            if found is None or found.origin is None:
                raise ImportError(f"the package {name} is not installed")
            yield from modules_below(os.path.dirname(found.origin), _EXCLUDED_FILES, within=name)
