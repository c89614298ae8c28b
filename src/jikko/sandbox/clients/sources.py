"""Takes the modules that programs have from the start into memory."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from jikko.ports.sandbox import HTTP_CLIENTS
from jikko.sandbox.languages.memory import Source, modules_below

_HERE = "jikko.sandbox.clients"


def client_modules() -> Iterator[tuple[str, Source]]:
    """The modules by the names under which programs import them, and what they import themselves."""
    for name in ("jikko", "jikko.ports", "jikko.sandbox", _HERE):
        yield name, Source(True, False, b"")
    here = Path(__file__).parent
    for name in HTTP_CLIENTS:
        yield from modules_below(str(here / name), ("__pycache__",), within=name)
    yield from modules_below(str(here / "shared"), ("__pycache__",), within=f"{_HERE}.shared")
    types = here.parents[1] / "ports" / "files"
    yield from modules_below(str(types), ("__pycache__", "documents.py", "file_store.py"), within="jikko.ports.files")
    found = importlib.util.find_spec("json_repair")
    if found is not None and found.origin is not None:
        yield from modules_below(os.path.dirname(found.origin), ("__pycache__",), within="json_repair")
