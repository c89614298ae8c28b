"""Writes the lock, ``requirements.txt``: each library with its version and digests, for every platform.

Usage: python -m scripts.lock [OPTIONS of uv pip compile…]. Locked libraries keep their versions as long as
``pyproject.toml`` allows; ``--upgrade`` takes the newest versions of all, ``--upgrade-package NAME`` of one.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from typing import Final

from scripts.build_console import NODE_OF_PYPI
from scripts.install import LOCK

PARTS: Final[dict[str, tuple[str, tuple[str, ...] | None, str]]] = {
    "core": ("the slim image: no extras", (), ""),
    "run": ("`make run`; and uv, which installs all", ("documents",), "uv"),
    "image": (
        "the image: all extras but those with models in them",
        ("documents", "anthropic", "archive", "cluster", "knowledge", "mcp", "otel", "plugins"),
        "",
    ),
    "test": ("`make test` and CI", ("documents", "dev"), ""),
    "build": ("builds the project and its page; in no environment", None, f"hatchling\neditables\n{NODE_OF_PYPI}"),
}
"""Purpose, extras of the project (``None``: without the project) and other requirements of each part, in file order."""
OLDEST: Final = "3.11"
HEAD: Final = """\
# The libraries of clones, CI and the image, with their versions and SHA-256 digests. `make lock` writes them
# (CONTRIBUTING.md); scripts/install.py installs a part together with those above it.
"""
_ENTRY: Final = re.compile(r"^([a-z0-9-]+)==[^\n]*\n(?:    --hash[^\n]*\n)*", re.MULTILINE)


def main(options: list[str]) -> int:
    """Write the lock. Returns uv's exit code."""
    extras = {extra for _, own, _ in PARTS.values() for extra in own or ()}
    other = "\n".join(text for _, _, text in PARTS.values())
    text, written = HEAD, set[str]()
    with tempfile.NamedTemporaryFile("w+", suffix=".txt") as file:
        file.write(LOCK.read_text("utf-8"))
        file.flush()
        try:
            every = compiled(extras, other, "--generate-hashes", f"--output-file={file.name}", *options)
            entries = [(found[1], found[0]) for found in _ENTRY.finditer(every)]
            for part, (purpose, own, more) in PARTS.items():
                names = set(_ENTRY.findall(compiled(own, more, f"--constraints={file.name}"))) - written
                text += f"# --- {part}: {purpose}\n" + "".join(entry for name, entry in entries if name in names)
                written |= names
        except subprocess.CalledProcessError as error:
            print(error.stderr, file=sys.stderr)
            return error.returncode
    LOCK.write_text(text, "utf-8")
    return 0


def compiled(extras: Iterable[str] | None, other: str, *options: str) -> str:
    """Return uv's resolution of the project with extras, or of other requirements alone."""
    files = [] if extras is None else ["pyproject.toml", *(f"--extra={extra}" for extra in sorted(extras))]
    command = [sys.executable, "-m", "uv", "pip", "compile", "--universal", f"--python-version={OLDEST}"]
    plain = ["--no-header", "--no-annotate", *options]
    return subprocess.run(
        [*command, *plain, *files, "-"], cwd=LOCK.parent, input=other, capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
