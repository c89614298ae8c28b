"""Wheels made by tests: small packages, good and bad, available without an index."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import markupsafe._speedups

_FORK = """
import os
reading, writing = os.pipe()
if os.fork() == 0:
    os.close(writing)
    os.read(reading, 1)  # until the process above it ends
    os._exit(0)
"""

NATIVE = Path(markupsafe._speedups.__file__)
"""Native module whose name is independent of its location."""

GOOD: Mapping[str, Mapping[str, str | bytes]] = {
    "plain": {
        "plain/__init__.py": "VALUE = 7",
        "plain/late.py": "import json\ndef told(): return json.dumps({'日本': '😀'}, ensure_ascii=False)",
        "plain/sub/deep.py": "NAME = __name__",
        "plain/data/words.txt": "日本\n😀\n",
        "plain/data/raw.bin": b"\x00\x01\xff",
        "plain/data/__init__.py": "",
    },
    "native": {
        "native/__init__.py": "",
        f"native/{NATIVE.name}": NATIVE.read_bytes(),
        f"native/tests/{NATIVE.name}": NATIVE.read_bytes(),
        "native/tests/__init__.py": "",
    },
    "large": {"large.py": "import os\nKEPT = os.urandom(48 << 20)\ndef first(): return KEPT[0]"},
}
"""Files by package name."""

BAD: Mapping[str, tuple[str, str]] = {
    "threading_one": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "the package threading-one starts threads when it is imported, so it cannot be locked",
    ),
    "forking": (_FORK, "the package forking starts processes when it is imported, so it cannot be locked"),
    "jitting": (
        "import mmap\nKEPT = mmap.mmap(-1, 4096, prot=7)",
        "the package jitting makes executable memory when it is imported, so it cannot be locked",
    ),
    "sharing_code": (
        "import mmap\nKEPT = mmap.mmap(-1, 4096, flags=mmap.MAP_SHARED, prot=5)",
        "the package sharing-code makes executable memory when it is imported",
    ),
    "broken": ("import nothing_like_it", "broken cannot be imported (broken: ModuleNotFoundError: No module named"),
    "leaving": ("import os\nos._exit(3)", "ended with status 3 before it was ready while it imported leaving"),
    "exiting": ("raise SystemExit(4)", "exiting cannot be imported (exiting: SystemExit: 4)"),
}
"""Programs that packages run at import, with the reason for their refusal."""


def wheel(
    folder: Path, name: str, files: Mapping[str, str | bytes] | str, version: str = "1.0", requires: str = ""
) -> Path:
    """Build a wheel.

    Args:
        files: Its files, or the text of its only module.
        requires: A requirement.
    """
    contents = {f"{name}.py": files} if isinstance(files, str) else dict(files)
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    contents |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, content in contents.items():
            archive.writestr(path, content)
    return file
