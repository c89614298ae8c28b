"""The page for coding agents as a skill: a file that stands alone."""

import re
from pathlib import Path

import yaml
from click.testing import CliRunner

from jikko.cli.main import cli
from tests.cli.test_every_command import commands

ROOT = Path(__file__).parents[2]


def test_it_stands_where_agents_look_with_a_head_that_they_read(tmp_path: Path) -> None:
    folder = tmp_path / "技 skills"
    written = CliRunner().invoke(cli, ["skill", "--to", str(folder)])
    assert written.exit_code == 0
    text = (folder / "jikko" / "SKILL.md").read_text(encoding="utf-8")
    assert CliRunner().invoke(cli, ["skill"]).stdout == text

    head, page = text.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(head).keys() == {"name", "description"}
    assert "](" not in page
    assert [named for named in re.findall(r"docs/[\w-]+\.md", page) if not (ROOT / named).exists()] == []


def test_the_commands_that_it_names_are_there() -> None:
    names = {name for name, _ in commands(cli)}
    named = re.findall(r"`jikko ((?:[a-z]+ ?)+)", CliRunner().invoke(cli, ["skill"]).stdout)
    known = {name for words in named for name in names if words.strip().startswith(name)}
    assert [words for words in named if not any(words.strip().startswith(name) for name in known)] == []
    assert len(known) > 10
