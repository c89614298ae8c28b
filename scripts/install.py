"""Installs this project with pip, and says what it waits for meanwhile.

Usage: python install.py REQUIREMENT, such as '.[documents]', with the Python of the virtual environment. Needs nothing
but the standard library.
"""

import re
import shutil
import subprocess
import sys
import time

STEP = re.compile(
    r"(Collecting|Downloading|Building wheel for|Installing collected packages|Preparing metadata) ?:?(.*)"
)
WORDS = {
    "Collecting": "looking for {}",
    "Downloading": "fetching {}",
    "Building wheel for": "building {}",
    "Preparing metadata": "reading the project",
    "Installing collected packages": "writing packages to the disk",
}


def main() -> int:
    """Install it. Returns the exit code of pip."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
    lines: list[str] = []
    with subprocess.Popen(
        [*command, "--editable", sys.argv[1]],
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
    else:
        print(f"Installed in {time.monotonic() - began:.0f} s.")
    return process.returncode


def _name(rest: str) -> str:
    """The package, without its version, where it comes from and who wants it."""
    return re.split(r"[<>=!~;(\[\s]", rest.strip(), maxsplit=1)[0].rpartition("/")[2]


def _show(text: str) -> None:
    """Show what is done now in the place of what was. Where there is no terminal, nothing is shown."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{f'  {text} …'[:width] if text else ''}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
