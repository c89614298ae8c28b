"""Installs a part of the lock, ``requirements.txt``, and shows its progress.

Usage: python install.py PART [OPTIONS… PROJECT], with the Python of a virtual environment that has pip. pip installs
uv, then uv everything else: each file must match one of the lock's SHA-256 digests. Projects are built with locked
libraries, without further dependencies. Requires only the standard library.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.txt"
PART = re.compile(r"^# --- (\w+)", re.MULTILINE)
STEP = re.compile(r"(Collecting|Downloading|Building|Installing collected packages|Prepared) ?:?(.*)")
WORDS = {
    "Collecting": "looking for {}",
    "Downloading": "fetching {}",
    "Building": "building {}",
    "Prepared": "writing packages to the disk",
    "Installing collected packages": "writing {} to the disk",
}
OF_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""pip settings, with uv's equivalent variables."""


def main() -> int:
    """Install the part. Returns the exit code of the failed step, or 0."""
    began = time.monotonic()
    part, project = sys.argv[1], sys.argv[2:]
    lock = LOCK.read_text("utf-8")
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "part.txt"
        listed.write_text(libraries(part, lock), "utf-8")
        # Otherwise the first start and each sandbox would compile it; for tests, compiling takes longer than it saves.
        compiled = ["--compile-bytecode"] if part == "run" else []
        commands = [
            pip_install("uv", Path(folder)),
            [*uv, *compiled, "--require-hashes", "--requirements", str(listed)],
        ]
        if project:
            locked = ["--no-deps", "--require-build-hashes", "--build-constraints", str(LOCK)]
            commands.append([*uv, *locked, *project])
        environment = os.environ | settings_of_pip()
        for command in commands:
            if code := run(command, environment):
                return code
    print(f"Installed in {time.monotonic() - began:.0f} s.")
    return 0


def libraries(part: str, lock: str) -> str:
    """Return the lines of a part of a lock, and of the parts above it.

    Raises:
        ValueError: Unknown part.
    """
    _, *pieces = PART.split(lock)
    names, texts = pieces[::2], pieces[1::2]
    return "".join(f"# {text}" for text in texts[: names.index(part) + 1])


def pip_install(library: str, folder: Path) -> list[str]:
    """Return the pip command that installs exactly one library of the lock.

    Args:
        folder: For a requirements file.
    """
    [entry] = re.findall(rf"^{library}==(?:.*\\\n)*.*", LOCK.read_text("utf-8"), re.MULTILINE)
    listed = folder / f"{library}.txt"
    listed.write_text(entry, "utf-8")
    options = ["--disable-pip-version-check", "install", "--progress-bar", "off", "--no-deps", "--require-hashes"]
    return [sys.executable, "-m", "pip", *options, "--requirement", str(listed)]


def settings_of_pip() -> dict[str, str]:
    """Return pip's indexes and trusted hosts as variables of uv, except those already set."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    # The digests determine the file, whichever index provides it.
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_SYSTEM_CERTS": "1"}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        variable = OF_PIP.get(name.rpartition(".")[2])
        if variable:
            found[variable] = " ".join(str(ast.literal_eval(value)).split())
    return {name: value for name, value in found.items() if name not in os.environ}


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command and show its progress; on failure print all output. Returns its exit code."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if found := STEP.match(line.strip()):
                _show(WORDS[found[1]].format(_name(found[2])))
    _show("")
    if process.returncode:
        print("".join(lines))
    return process.returncode


def _name(rest: str) -> str:
    """Return the package's name, without version, source and requirer."""
    return re.split(r"[<>=!~;(\[\s]", rest.strip(), maxsplit=1)[0].rpartition("/")[2]


def _show(text: str) -> None:
    """Replace the progress line; silent without a terminal."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{f'  {text} …'[:width] if text else ''}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
