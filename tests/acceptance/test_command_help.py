"""Help, ``jikko doctor``, and commands with invalid settings."""

import json
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from jikko.assemble.health import machine
from jikko.cli.command_failure import LazyGroup
from jikko.cli.main import cli
from tests.acceptance.processes import Command, Server

SMALL_GROUPS = {"callbacks", "cluster", "console", "deliveries", "mcp", "servers"}
GROUPS = ("apps", "runs", "triggers", "users", "providers", "tools", "plugins", "packages", "knowledge", "keys")
COMMANDS = tuple(cli.commands)


def commands_of(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group that does something, by its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, *names, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*names, name)), command


def test_help_lists_every_command(jikko: Command) -> None:
    outcome = jikko("--help")
    assert outcome.code == 0
    assert all(f"  {name} " in outcome.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(jikko: Command, command: str) -> None:
    outcome = jikko(command, "--help")
    assert outcome.code == 0
    assert "--" in outcome.out


def test_every_command_but_serve_prints_json() -> None:
    without = [
        name for name, command in commands_of(cli) if not any("--json" in option.opts for option in command.params)
    ]
    # Messages of MCP and an export of runs are JSON anyway, an export of an app is its file, a providers file is YAML.
    exports = ("apps export", "runs save", "runs export")
    assert without == ["serve", "schema", "skill", *exports, "mcp manage", "providers init"]


def test_the_page_of_the_command_line_names_every_command() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = " ".join(line for line in page.splitlines() if line.startswith("| `jikko"))
    documented = {f"{group} {name}" for group in (*GROUPS, *SMALL_GROUPS) for name in _listed(rows, group)}
    documented |= {name for name in COMMANDS if f"`jikko {name}" in rows and name not in GROUPS}
    documented |= {"chat import"} if "`jikko chat import " in rows else set()
    # Of groups in groups the name is enough.
    assert {" ".join(name.split()[:2]) for name, _ in commands_of(cli)} == documented - (SMALL_GROUPS - {"console"})


def _listed(rows: str, group: str) -> list[str]:
    return rows.partition(f"`jikko {group} ")[2].partition("`")[0].replace("\\|", "|").split("|")


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (("serve",), ("JIKKO_HOST", "JIKKO_PORT", "JIKKO_SHUTDOWN_SECONDS", "JIKKO_LOG_LEVEL", "JIKKO_HOME")),
        (("apps", "import"), ("JIKKO_HOME",)),
        (("runs", "list"), ("JIKKO_HOME",)),
        (("chat",), ("JIKKO_URL", "JIKKO_KEY")),
        (("doctor",), ("JIKKO_HOME",)),
    ],
)
def test_help_names_the_variable_of_each_option(
    jikko: Command, command: tuple[str, ...], variables: tuple[str, ...]
) -> None:
    help_text = " ".join(jikko(*command, "--help").out.split())
    assert all(f"env var: {name}" in help_text for name in variables)


def test_help_needs_none_of_the_heavy_modules(jikko: Command) -> None:
    loaded = jikko("--help", PYTHONPROFILEIMPORTTIME="1").err
    heavy = ("aiohttp", "starlette", "uvicorn", "msgspec", "jinja2", "openai")
    assert not [name for name in heavy if any(line.endswith(f" {name}") for line in loaded.splitlines())]


def test_the_version_is_told(jikko: Command) -> None:
    from jikko import __version__
    from jikko.build_commit import commit

    told = jikko("--version").out
    assert told == f"jikko, version {__version__} ({commit()})\n"
    assert re.fullmatch(r"[0-9a-f]{10}", commit())


def test_doctor_finds_all_well_here(jikko: Command) -> None:
    outcome = jikko("doctor")
    assert outcome.code == 0, outcome
    assert "FAILED" not in outcome.out
    assert all(name in outcome.out for name in ("python", "sqlite", "database", "sandbox"))


def test_doctor_answers_in_json(jikko: Command) -> None:
    findings = jikko.json("doctor")
    assert all(set(finding) == {"name", "ok", "detail", "warning", "paste", "code", "params"} for finding in findings)
    assert all(finding["ok"] for finding in findings)


@pytest.mark.parametrize(
    ("version", "warns"), [("3.11.0", False), ("3.12.9", False), ("3.13.5", False), ("3.14.0", True), ("3.101.1", True)]
)
def test_a_version_of_python_that_jikko_was_not_tested_with_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, version: str, warns: bool
) -> None:
    _be_python(monkeypatch, version)

    found = machine.python()

    assert found.severity == ("warning" if warns else "ok")
    assert f" {version}" in found.sentence()
    assert ("tested with 3.11, 3.12, 3.13 only" in found.sentence()) == warns


def _be_python(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: version)
    monkeypatch.setattr(platform, "python_version_tuple", lambda: tuple(version.split(".")))
    monkeypatch.setenv("JIKKO_PORT", "0")


def test_doctor_tries_code_with_any_version_of_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _be_python(monkeypatch, "3.101.1")

    outcome = CliRunner().invoke(cli, ["doctor", "--json", "--home", str(tmp_path)])

    assert outcome.exit_code == 0, outcome.output
    python, *others = map(json.loads, outcome.output.splitlines())
    assert (python["name"], python["ok"], python["warning"]) == ("python", True, True)
    assert [line["detail"] for line in others if line["name"] == "sandbox, Python"] == ["runs"]


def test_doctor_shows_a_warning_and_is_content(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _be_python(monkeypatch, "3.14.0")

    outcome = CliRunner().invoke(cli, ["doctor", "--home", str(tmp_path)])

    assert outcome.exit_code == 0
    assert outcome.output.startswith("warn    python: ")


def test_doctor_says_that_the_providers_file_cannot_be_read(jikko: Command, tmp_path: Path) -> None:
    outcome = jikko("doctor", "--json", JIKKO_PROVIDERS=str(tmp_path / "nope"))
    assert outcome.code == 1
    [failed] = [line for line in outcome.lines if not line["ok"]]
    assert failed["name"] == "providers"
    assert f"{tmp_path / 'nope'} cannot be read" in failed["detail"]


def test_doctor_warns_of_keys_of_providers_that_are_not_set(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "providers.yml"
    file.write_text('providers: {openai: {api_key: "${NO_SUCH_KEY}"}}')
    outcome = jikko("doctor", "--json", JIKKO_PROVIDERS=str(file))
    assert outcome.code == 0
    [line] = [line for line in outcome.lines if line["name"] == "providers"]
    assert line["warning"]
    assert "NO_SUCH_KEY" in line["detail"]


def test_doctor_says_that_a_database_cannot_be_opened(jikko: Command) -> None:
    jikko.home.mkdir()
    (jikko.home / "jikko.db").write_bytes(b"this is no database" * 100)
    outcome = jikko("doctor", "--json")
    assert outcome.code == 1
    assert not outcome.has_traceback
    assert [line["name"] for line in outcome.lines if not line["ok"]] == ["database"]


@pytest.mark.parametrize(
    ("name", "value"), [("JIKKO_PORT", "http"), ("JIKKO_MAX_STEPS", "-1"), ("JIKKO_CODE_SECONDS", "soon")]
)
def test_a_wrong_setting_is_a_usage_error_that_names_the_variable(jikko: Command, name: str, value: str) -> None:
    outcome = jikko("serve", **{name: value})
    assert outcome.code == 2
    assert name in outcome.err
    assert not outcome.has_traceback


def test_a_setting_in_the_file_that_there_is_not_is_told(jikko: Command) -> None:
    jikko.home.mkdir()
    (jikko.home / "jikko.toml").write_text("prot = 80\n")
    outcome = jikko("serve")
    assert outcome.code == 2
    assert "prot" in outcome.err


@pytest.mark.parametrize("command", [(), ("nonsense",), ("apps", "nonsense"), ("serve", "--nonsense"), ("run",)])
def test_a_wrong_call_is_a_usage_error(jikko: Command, command: tuple[str, ...]) -> None:
    outcome = jikko(*command)
    assert outcome.code == 2
    assert "Usage: jikko" in outcome.err
    assert not outcome.has_traceback


def test_json_lines_keep_text_readable(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("kind: 実行\n", encoding="utf-8")
    line = jikko("check", file, "--json").out
    assert json.loads(line)["ok"] is False
    assert "\\u" not in line


@pytest.mark.parametrize(
    "command", [("apps", "list"), ("check", "nothing.yml"), ("serve", "--help"), ("run", "--help")]
)
def test_a_misspelt_variable_is_warned_of_once_by_every_command(jikko: Command, command: tuple[str, ...]) -> None:
    outcome = jikko(*command, JIKKO_PROT="9", JIKKO_MAX_SECNDS="1", JIKKO_KEY="k", JIKKO_URL="u", JIKKO_ENV_X="1")
    warnings = [line for line in outcome.err.splitlines() if line.startswith("warning: nothing reads")]
    assert len(warnings) == 2
    assert "JIKKO_MAX_SECNDS (did you mean 'JIKKO_MAX_SECONDS'?)" in warnings[0]
    assert "JIKKO_PROT (did you mean 'JIKKO_PORT'?)" in warnings[1]
    assert "warning: nothing" not in outcome.out


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("JIKKO_env_x", "'JIKKO_ENV_X', a value for a variable of workflows"),
        ("JIKKO_Env_Api_Key", "'JIKKO_ENV_API_KEY', a value for a variable of workflows"),
        ("JIKKO_env_鍵", "'JIKKO_ENV_鍵', a value for a variable of workflows"),
        ("JIKKO_ENV_", "'JIKKO_ENV_NAME', a value for a variable of workflows"),
        ("JIKKO_port", "'JIKKO_PORT'"),
    ],
)
def test_a_variable_in_small_letters_was_taken_for_another_one(jikko: Command, name: str, hint: str) -> None:
    [warning] = [line for line in jikko("check", "nothing.yml", **{name: "1"}).err.splitlines() if "warning" in line]
    assert f"{name} (did you mean {hint}?)" in warning


def test_a_server_of_several_workers_warns_of_it_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "home", settings={"JIKKO_PROT": "9", "JIKKO_WORKERS": "2"})
    server.stop()
    assert server.output.count("JIKKO_PROT") == 1


def test_variables_that_are_read_are_not_warned_of(jikko: Command) -> None:
    assert jikko("migrate", JIKKO_PORT="80", JIKKO_MAX_SECONDS="1", JIKKO_ENV_A_B="x").err == ""


def test_no_line_of_help_is_cut_at_60_columns() -> None:
    groups = [cli, *(command for command in cli.commands.values() if isinstance(command, click.Group))]
    shorts = [
        text
        for group in groups
        for text in (
            group.summaries.values()
            if isinstance(group, LazyGroup)
            else [command.get_short_help_str(45) for command in group.commands.values()]
        )
    ]

    assert [text for text in shorts if text.endswith("...") or len(text) > 45] == []
