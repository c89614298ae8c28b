"""Commands of README and quickstart for newcomers, executed in a fresh copy with its own virtual environment."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import build_console

from tests.effort import PATIENCE
from tests.free_ports import free_port
from tests.page_blocks import ROOT, blocks, looks_like, shown_commands

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.once]

FAILS = {"jikko check broken.yml"}
"""Commands whose failure is what the page shows."""
LEFT_OUT = {"make test"}
"""The tests themselves: this is one of them."""
ONLY_ON_TERMINALS = {"Serving until Ctrl-C …"}
"""Lines that `make run` prints on a terminal, where it goes on to serve. Here it ends."""
MARK = "=== command"
ON_TERMINAL = f"{sys.executable} -c 'import pty, sys; pty.spawn(sys.argv[1:])'"
"""What follows is started on a terminal, as the reader does."""


def commands(page: str) -> list[tuple[str, str]]:
    """The commands of a page in their order, each with what is shown of its output."""
    return [pair for pair in shown_commands(blocks(page, "sh", "console")) if pair[0] not in LEFT_OUT]


def script(page: str, port: int) -> str:
    """The commands as one program of the shell. A server goes on beside those behind it."""
    lines = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
    for count, (command, _) in enumerate(commands(page)):
        command = command.replace(":8000/", f":{port}/")
        lines.append(f"echo '{MARK} {count}'")
        if command.startswith("RUN=…"):
            # What a reader copies from the answer.
            lines.append(
                'RUN=$(grep -o \'"workflow_run_id":"[^"]*\' said | tail -n 1 | cut -d \'"\' -f 4); test -n "$RUN"'
            )
        elif command.startswith("jikko serve"):
            log = f"serve-{count}"
            lines.append(f"({ON_TERMINAL} {command.partition('  #')[0]}) > {log} 2>&1 < /dev/null &")
            lines.append(f"for _ in $(seq {int(PATIENCE)}); do grep -q '^  curl' {log} && break; sleep 1; done")
            lines.append(f"cat {log}; grep -q '^Jikko .* serves' {log}")
            lines.append(
                f"echo; sh -c \"$(tr -d '\\r' < {log} | grep '^  curl')\""
                ' | grep \'"event":"workflow_finished".*"succeeded"\''
            )
        elif command in FAILS:
            lines.append(f"if {command}; then exit 1; fi")
        else:
            lines.append(command)
    return "\n".join(lines)


def missing(output: str, shown: str) -> list[str]:
    """The lines of what a page shows that an output does not have, in their order."""
    found, left = output.splitlines(), []
    for line in shown.splitlines():
        if line.strip() in ("", "…") or line in ONLY_ON_TERMINALS:
            continue
        at = next((at for at, each in enumerate(found) if looks_like(each, line)), None)
        if at is None:
            left.append(line)
        else:
            del found[: at + 1]
    return left


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of all files that git knows."""
    folder = tmp_path / "jikko"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_commands_of_a_page_run_as_they_are_printed(clone: Path, page: str) -> None:
    assert len(list(commands(page))) >= 5
    if build_console.is_current():
        # CI builds it in its own fresh clone, with the target on which `make run` depends.
        shutil.copytree(build_console.output(), build_console.output(clone))
    home, port = clone.parent / "newcomer", free_port()
    home.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JIKKO_", "MAKE", "MFLAGS", "PYTHON", "VIRTUAL_ENV"))
    }
    path = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if not part.startswith(str(ROOT)))
    environment = {
        **kept,
        "PATH": path,
        "HOME": str(home),
        "JIKKO_PORT": str(port),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
        # To pip this means `--no-compile`: what is imported is compiled then, less than a third of what is installed.
        "PIP_NO_COMPILE": "0",
        "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip")),
    }
    with (clone / "said").open("w", encoding="utf-8") as output_file:
        done = subprocess.run(
            ["bash", "-c", script(page, port)],
            cwd=clone,
            env=environment,
            stdout=output_file,
            stderr=output_file,
            check=False,
        )

    output = (clone / "said").read_text(encoding="utf-8").replace("\r", "")
    assert done.returncode == 0, output[-5000:]
    assert "command not found" not in output
    _, *said = re.split(rf"{MARK} \d+\n", output)
    for (command, shown), printed in zip(commands(page), said, strict=True):
        assert missing(printed, shown) == [], f"{command} said:\n{printed}"
    if page == "README.md":
        demonstrated = said[0].partition("Serving ")[2].splitlines()
        assert len(demonstrated) > 30
        assert [line for line in demonstrated if len(line) > 80 or line.startswith("  # ")] == []


def test_the_first_command_builds_the_page(clone: Path) -> None:
    planned = subprocess.run(["make", "--dry-run", "run"], cwd=clone, capture_output=True, text=True, check=True)

    assert "-m scripts.build_console --if-newer\n" in planned.stdout
    assert not build_console.is_current(clone)


def test_lines_that_are_not_printed_or_in_another_order_are_noticed() -> None:
    assert missing("a\nb 7\nc\n", "a\n…\nc\n") == []
    assert missing("a\nc\n", "a\nb\nc\n") == ["b"]
    assert missing("c\na\n", "a\nc\n") == ["c"]
