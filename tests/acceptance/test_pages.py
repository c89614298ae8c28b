"""Commands of docs/ for clients, executed and compared with the documented output."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from jikko.events import Event
from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server, environment
from tests.acceptance.workflows import ECHO
from tests.free_ports import free_port
from tests.page_blocks import ROOT, blocks, fits, looks_like

DOCS = ROOT / "docs"
PAGES = ["callbacks.md", "event-log.md", "idempotency.md", "proxies.md"]
"""Those whose commands ask nothing of the machine; docs/upgrade.md has a test of its own."""
END = "=== end of block ==="


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page: str, tmp_path: Path) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    command = Command(tmp_path / "home")
    [imported] = command.json("apps", "import", tmp_path / "echo.yml")
    server = Server(command.home)
    client = Client(server.url, imported["api_key"])
    commands: list[str] = []
    shown: list[str] = []
    for block in blocks(f"docs/{page}"):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "sh":
            commands.append(block.text)
            shown.append("")
        elif block.kind == "text":
            shown[-1] = block.text
        else:
            # Settings of a server: tests/test_page_blocks.py reads them.
            assert block.kind == "ini"
    assert commands

    outputs = run(commands, tmp_path, URL=server.url, KEY=imported["api_key"])

    client.close()
    server.stop()
    for output, expected in zip(outputs, shown, strict=True):
        if expected:
            assert fits(output, expected), f"shown:\n{expected}\nsaid:\n{output}"


def run(commands: list[str], folder: Path, **given: str) -> list[str]:
    """What each piece of a shell script says. The test fails if one fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {
        **environment(folder / "home"),
        "PATH": path,
        "PORT": str(free_port()),
        "BACKUP": str(folder / "backup"),
    }
    # What goes on in the background ends with the script, whatever becomes of it.
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n" + "".join(
        f"{command}\necho '{END}'\n" for command in commands
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**settings, **given},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(f"{END}\n")[:-1]


def test_what_a_page_shows_is_compared() -> None:
    assert fits("a\r\nb 7\n", "a\nb …\n")
    assert not fits("a\nb 7\n", "a\nc …")
    assert not fits("a\nb\nc", "a\nb")
    assert looks_like("01a217f8-9c3e  12.5 s   4", "0afe0000-0001  3 s 11")
    assert not looks_like("01a217f8-9c3e  12.5 s", "0afe0000-0001  3 ms")


def test_every_event_and_every_field_of_it_is_in_the_page_of_the_log() -> None:
    text = (DOCS / "event-log.md").read_text(encoding="utf-8").partition("## Events")[2]
    rows = {row[0]: row[2] for line in text.splitlines() if len(row := line.strip("|").split(" | ")) == 3}
    documented = {name.strip("` "): set(re.findall(r"`(\w+)`(\??)", fields)) for name, fields in rows.items()}

    expected = {
        str(kind.__struct_config__.tag): {
            (field.encode_name, "" if field.required else "?")
            for field in msgspec.structs.fields(kind)
            if field.name != "at"
        }
        for kind in get_args(Event)
    }
    assert {name: fields for name, fields in documented.items() if name in expected} == expected
