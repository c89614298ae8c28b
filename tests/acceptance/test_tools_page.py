"""docs/tools.md: its files are valid, and its commands print the documented output."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from jikko.tools.tools_file import parse_tools_file
from tests.acceptance.processes import Command
from tests.page_blocks import blocks, shown_commands

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")
FILES = [block.text for block in blocks("docs/tools.md", "yaml")]
SHOWN = [
    (command, output.rstrip("\n").splitlines())
    for command, output in shown_commands(blocks("docs/tools.md", "console"))
]


@pytest.mark.parametrize("text", FILES, ids=lambda text: text.splitlines()[1].strip())
def test_a_file_that_is_shown_can_be_read(text: str) -> None:
    file, shown = parse_tools_file(text, {}), yaml.safe_load(text)
    assert file.providers.keys() == shown.get("tools", {}).keys()
    assert file.servers.keys() == shown.get("mcp_servers", {}).keys()


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_that_is_shown_prints_what_is_shown(
    command: str, output: list[str], jikko: Command, tmp_path: Path
) -> None:
    (tmp_path / "tools.yml").write_text(FILES[0], encoding="utf-8")
    name, *arguments = (word.replace("tools.yml", str(tmp_path / "tools.yml")) for word in shlex.split(command))

    assert name == "jikko"
    printed = jikko(*arguments).out.splitlines()
    assert len(printed) == len(output)
    for line, shown in zip(printed, output, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, shown.split("…"))), line), (line, shown)


def test_every_setting_of_tools_is_named() -> None:
    for name in ("JIKKO_TOOLS", "JIKKO_TOOL_SECONDS", "JIKKO_TOOL_MAX_TEXT", "JIKKO_TOOL_MAX_FILES"):
        assert name in PAGE
