"""In-memory standard library: a locked process cannot open its files."""

import importlib
import importlib.util
import io
import linecache
import os
import sys
import sysconfig
from importlib.machinery import BuiltinImporter, FrozenImporter
from pathlib import Path
from typing import Final

from jikko.sandbox.clients import MODULES
from jikko.sandbox.languages.memory import MemoryImporter, modules_below

_EXCLUDED_MODULES: Final = (
    "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages", "dist-packages",
    "__pycache__", "lib-dynload", "pydoc_data", "venv", "curses", "dbm", "distutils", "msilib",
    "antigravity.py", "this.py", "turtle.py",
)  # fmt: skip
"""Modules useless in a sandbox: graphics, installation, tests, file databases."""

_EXCLUDED_EXTENSIONS: Final = (
    "_test", "_tkinter", "_curses", "readline", "_dbm", "_gdbm", "xx", "nis", "ossaudiodev", "_interp", "_crypt",
    "spwd", "syslog", "_ctypes_test",
)  # fmt: skip

_NEED_EXCLUDED: Final = ("crypt",)

_NAMES_TO_IMPORT: Final = """
    json re math datetime base64 hashlib random statistics urllib.parse collections itertools functools string time
    calendar decimal fractions copy operator textwrap html html.parser uuid hmac secrets zlib gzip csv io typing
    dataclasses enum unicodedata difflib heapq bisect struct binascii traceback types contextlib numbers cmath pprint
    ast zoneinfo zoneinfo._common xml.etree.ElementTree locale inspect logging abc warnings weakref email.utils
    ipaddress colorsys bz2 lzma pickle array graphlib queue threading collections.abc tempfile
    encodings.idna encodings.utf_8_sig encodings.latin_1 encodings.ascii encodings.cp1252 encodings.gbk
    encodings.gb18030 encodings.big5 encodings.utf_16 encodings.utf_32 encodings.punycode encodings.unicode_escape
    encodings.hex_codec encodings.base64_codec _strptime shlex fnmatch keyword token tokenize codecs stringprep
    mimetypes quopri asyncio concurrent.futures subprocess http.client urllib.request socket"""
"""Popular modules, imported before the first fork: an import in a child costs milliseconds."""


def offers(module: str) -> bool:
    """Return whether programs can import a top-level module without a package, without importing it.

    For this interpreter, which runs programs, too. Modules of the standard library that need an excluded one do not
    count.
    """
    if module in MODULES:
        return True
    if module not in sys.stdlib_module_names or module in _EXCLUDED_MODULES or f"{module}.py" in _EXCLUDED_MODULES:
        return False
    if module in _NEED_EXCLUDED:
        return False
    found = importlib.util.find_spec(module)
    if found is None:
        return False
    is_extension = "lib-dynload" in Path(found.origin or "").parts
    return not (is_extension and module.startswith(_EXCLUDED_EXTENSIONS))


def preload() -> None:
    """Import popular modules, load the rest into memory, and disable all other imports. Raises ``ImportError`` if this
    interpreter lacks a required module."""
    for name in _NAMES_TO_IMPORT.split():
        importlib.import_module(name)
    _import_extensions()
    modules = modules_below(sysconfig.get_path("stdlib"), _EXCLUDED_MODULES)
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, MemoryImporter(modules)]
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    # It would look for the source of user code on disk, and discard the runner's entries for tracebacks.
    linecache.checkcache = lambda filename=None: None


def preload_time_zones() -> None:
    """Load the data of ``zoneinfo`` from the package ``tzdata``. Raises ``ImportError`` if it is not installed."""
    import zoneinfo
    from zoneinfo import _common

    found = importlib.util.find_spec("tzdata")
    if found is None or not found.submodule_search_locations:
        raise ImportError("the package tzdata is not installed")
    root = os.path.join(found.submodule_search_locations[0], "zoneinfo")
    zones = {
        path[len(root) + 1 :]: content
        for folder, _, names in os.walk(root)
        for name in names
        if (content := Path(path := os.path.join(folder, name)).read_bytes())[:4] == b"TZif"
    }

    def load_tzdata(key: str) -> io.BytesIO:
        if key not in zones:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return io.BytesIO(zones[key])

    _common.load_tzdata = load_tzdata  # type: ignore[assignment]
    zoneinfo.available_timezones = lambda: set(zones)


def _import_extensions() -> None:
    directory = Path(sysconfig.get_path("stdlib")) / "lib-dynload"
    for file in sorted(directory.glob("*.so")):
        name = file.name.split(".")[0]
        if name.startswith(_EXCLUDED_EXTENSIONS):
            continue
        try:
            importlib.import_module(name)
        except ImportError:
            # Built against a library that this machine lacks: importing programs get the error.
            continue
