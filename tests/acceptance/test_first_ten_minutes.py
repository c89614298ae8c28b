"""What README and quickstart tell a newcomer to type, typed: in a fresh copy, with a virtual environment of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.effort import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.once]

ROOT = Path(__file__).parents[2]
FAILS = {"jikko check broken.yml"}
"""Commands whose failure is what the page shows."""
LEFT_OUT = {"make test"}
"""The tests themselves: this is one of them."""


def commands(page: str) -> Iterator[str]:
    """The commands of a page in their order: of blocks of `sh` every line, of `console` those behind a prompt."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        lines = block.replace("\\\n", "").splitlines()
        shown = lines if kind == "sh" else [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        yield from (line for line in shown if line.strip() and line not in LEFT_OUT)


def script(page: str, port: int) -> str:
    """The commands as one program of the shell. A server goes on beside those behind it."""
    lines = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
    for count, command in enumerate(commands(page)):
        command = command.replace(":8000/", f":{port}/")
        lines.append(f"echo {command!r} | sed 's/^/+ /'" if "'" not in command else f"echo '+ {count}'")
        if command.startswith("RUN=…"):
            # What a reader copies from the answer.
            lines.append(
                'RUN=$(grep -o \'"workflow_run_id":"[^"]*\' said | tail -n 1 | cut -d \'"\' -f 4); test -n "$RUN"'
            )
        elif command.startswith("jikko serve"):
            log = f"serve-{count}"
            lines.append(f"({command.partition('  #')[0]}) > {log} 2>&1 &")
            lines.append(
                f"for _ in $(seq {int(PATIENCE)}); do grep -q '^Jikko .* serves' {log} && break; sleep 1; done"
            )
            lines.append(f"cat {log}; grep -q '^Jikko .* serves' {log}")
            lines.append(f'sh -c "$(grep \'^  curl\' {log})" | grep \'"event":"workflow_finished".*"succeeded"\'')
        elif command in FAILS:
            lines.append(f"if {command}; then exit 1; fi")
        else:
            lines.append(command)
    return "\n".join(lines)


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


@pytest.mark.parametrize(("page", "port"), [("README.md", 18_731), ("docs/quickstart.md", 18_732)])
def test_the_commands_of_a_page_run_as_they_are_printed(clone: Path, page: str, port: int) -> None:
    assert len(list(commands(page))) >= 5
    home = clone.parent / "newcomer"
    home.mkdir()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("JIKKO_", "VIRTUAL_ENV", "PYTHON"))
    }
    path = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if not part.startswith(str(ROOT)))
    environment = {
        **kept,
        "PATH": path,
        "HOME": str(home),
        "JIKKO_PORT": str(port),
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

    output = (clone / "said").read_text(encoding="utf-8")
    assert done.returncode == 0, output[-5000:]
    assert "command not found" not in output
    for line in output.partition("Serving 3 example")[2].partition("Documentation of the API")[0].splitlines():
        assert len(line) <= 80
