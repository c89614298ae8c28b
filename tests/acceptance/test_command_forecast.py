"""``jikko check`` for people, CI and programs: predicted outcome, place and remedy."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import JIKKO, Command, environment
from tests.acceptance.workflows import ECHO, app, end, node, start

TOOL = app(
    "Tool",
    [start("q"), node("翻訳", "tool", provider_name="google_translate", tool_name="translate"), end()],
    "start>翻訳 翻訳>end",
)
REASON = "the tool google_translate/translate needs the plugin langgenius/google_translate, which is not installed"
HINT = "install it with `jikko plugins install langgenius/google_translate`, or by the path of its .difypkg file"
SECRET = {"name": "k", "value_type": "secret", "value": ""}
WARNED = json.dumps(
    {**json.loads(ECHO), "workflow": {**json.loads(ECHO)["workflow"], "environment_variables": [SECRET]}}
)


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    file = tmp_path / "tool.yml"
    file.write_text(TOOL, encoding="utf-8")
    return file


def line_of(file: Path, text: str) -> int:
    return next(number for number, line in enumerate(file.read_text("utf-8").splitlines(), 1) if text in line)


def test_the_last_line_names_the_node_its_line_the_reason_and_what_to_do(jikko: Command, tool: Path) -> None:
    outcome = jikko("check", tool)
    line = line_of(tool, '"tool_name"')
    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        f'{tool}:{line}:7: will fail: node "翻訳": {REASON} ({HINT})',
        f'{tool}: will fail at node "翻訳" (line {line}): {REASON}; {HINT}',
    ]


def test_json_has_the_documented_fields(jikko: Command, tool: Path) -> None:
    [entry] = jikko("check", tool, "--json").lines
    assert entry == jikko("check", tool, "--output", "json").lines[0]
    assert set(entry) == {"file", "ok", "verdict", "summary", "problems", "example"}
    assert (entry["file"], entry["ok"], entry["verdict"]) == (str(tool), True, "will_fail")
    assert entry["problems"] == [
        {
            "level": "will_fail",
            "cause": "tool",
            "line": line_of(tool, '"tool_name"'),
            "column": 7,
            "path": "workflow.graph.nodes[1].data.tool_name",
            "node": {"id": "翻訳", "title": "翻訳"},
            "problem": REASON,
            "hint": HINT,
            "code": "tool.plugin_missing",
            "params": {
                "subject": {"code": "tool.the_tool", "params": {"name": "google_translate/translate"}},
                "plugin": "langgenius/google_translate",
            },
        }
    ]
    assert entry["example"] == {"inputs": {}, "command": f"jikko run {tool}"}


def test_a_list_of_what_to_get_ends_the_check_of_several_files(jikko: Command, tool: Path) -> None:
    files = Path(__file__).parents[1] / "forecast" / "samples"

    lines = jikko("check", tool, files / "file-read.yml", files / "artifact.yml").out.splitlines()

    assert lines[lines.index("What they lack, and the commands that get it:") + 1 :] == [
        "  plugins: langgenius/google_translate",
        "    jikko plugins install langgenius/google_translate",
        "  Python packages: pandas",
        "    jikko packages install pandas",
        "  providers of models: langgenius/volcengine_maas/volcengine_maas",
        f"    jikko providers init {tool} {files / 'file-read.yml'} {files / 'artifact.yml'} > providers.yml",
    ]


def test_the_list_names_what_to_add_to_a_providers_file_that_is_set(jikko: Command, tool: Path) -> None:
    providers = tool.with_name("提供元.yml")
    providers.write_text("providers:\n  openai: {api_key: x}\n", encoding="utf-8")
    samples = Path(__file__).parents[1] / "forecast" / "samples"

    printed = jikko(
        "check", tool, samples / "file-read.yml", samples / "artifact.yml", JIKKO_PROVIDERS=str(providers)
    ).out

    assert f"\n    add under 'providers:' in {providers}: \"volcengine_maas\": {{type: " in printed
    assert "providers init" not in printed


def test_every_documented_field_is_in_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "check.md").read_text(encoding="utf-8")
    fields = ("verdict", "summary", "problems", "level", "cause", "line", "column", "path", "node", "hint", "example")
    assert all(f"`{field}`" in page for field in fields)


def test_annotations_for_github_are_escaped(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "a,b:c.yml"
    file.write_text(app("T", [start(), {**node("x", "tool"), "data": {"type": "tool", "title": "50%\n"}}], "start>x"))
    first, *_ = jikko("check", file, "--output", "github").out.splitlines()
    head, _, message = first.removeprefix("::").partition("::")
    assert head.startswith(f"error file={str(file).replace(':', '%3A').replace(',', '%2C')},title=jikko check,line=")
    assert message.startswith('will fail: node "50%25%0A": ')


@pytest.mark.parametrize(
    ("text", "import_only", "plain", "strict"),
    [
        (ECHO, 0, 0, 0),
        (WARNED, 0, 0, 1),
        (TOOL, 0, 1, 1),
        ("- 1", 1, 1, 1),
        (ECHO.replace("workflow", "advanced-chat", 1), 0, 0, 0),
    ],
)
def test_what_will_fail_fails_the_check_and_options_say_what_else_does(
    jikko: Command, tmp_path: Path, text: str, import_only: int, plain: int, strict: int
) -> None:
    file = tmp_path / "x.yml"
    file.write_text(text, encoding="utf-8")
    assert jikko("check", file, "--fail-on", "cannot_be_imported").code == import_only
    assert jikko("check", file).code == plain
    assert jikko("check", file, "--strict").code == jikko("check", file, "--fail-on", "warning").code == strict
    assert jikko("check", file, "--strict", "--exit-zero").code == 0


@pytest.mark.parametrize("command", ["check", "show"])
def test_titles_that_would_write_to_the_terminal_do_not(jikko: Command, tmp_path: Path, command: str) -> None:
    file = tmp_path / "x.yml"
    title = "a\nb\x1b[2Jc\x07"
    file.write_text(app("T", [start(), {"id": "x", "data": {"type": "tool", "title": title}}], "start>x"))
    output = jikko(command, file).out
    assert "a b [2Jc" in output
    assert all(line.isprintable() for line in output.splitlines())


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_folder_stands_for_the_files_below_it(jikko: Command, tmp_path: Path, command: str) -> None:
    (tmp_path / "b" / "深い").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    names = ["a.yml", "b/c.YAML", "b/深い/d.yaml"]
    for name in [*names, "b/notes.txt", ".git/x.yml"]:
        (tmp_path / name).write_text(ECHO)
    lines = jikko(command, tmp_path, "--json").lines
    assert [entry["file"] for entry in lines] == [f"{tmp_path}/{name}" for name in names]


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_folder_without_files_is_told(jikko: Command, tmp_path: Path, command: str) -> None:
    outcome = jikko(command, tmp_path)
    assert outcome.code == 1
    assert f"{tmp_path}: is a folder without *.yml or *.yaml files" in outcome.out + outcome.err


@pytest.mark.parametrize("command", ["check", "show"])
def test_standard_input_is_called_as_it_was_given(jikko: Command, command: str) -> None:
    [entry] = jikko(command, "-", "--json", given=ECHO).lines
    assert entry["file"] == "-"
    outcome = jikko("check", "-", given="a: [")
    assert outcome.code == 1
    assert outcome.out.startswith("-:2:1: is not YAML")


def test_a_path_is_told_as_it_was_given(jikko: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("# x: [", encoding="utf-8")
    assert all(line.startswith("./README.md:") for line in jikko("check", "./README.md").out.splitlines())


@pytest.mark.parametrize(
    ("variables", "colored"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colors_are_as_the_environment_wants_them(
    jikko: Command, tool: Path, variables: dict[str, str], colored: bool
) -> None:
    assert ("\x1b[" in jikko("check", tool, **{"NO_COLOR": "", "FORCE_COLOR": "", **variables}).out) == colored


def test_a_providers_file_that_cannot_be_read_fails_every_run(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text(ECHO)
    missing = tmp_path / "nope"
    output = f"The providers file {missing} cannot be read"
    assert f"will fail: {output}" in jikko("check", file, "--providers", missing).out
    assert output in jikko("run", file, JIKKO_PROVIDERS=str(missing)).err


def test_settings_count(jikko: Command, tmp_path: Path) -> None:
    from tests.acceptance.workflows import fetch

    file = tmp_path / "x.yml"
    file.write_text(app("F", [start("q"), fetch("f", "http://10.1.2.3/"), end()], "start>f f>end"))
    assert jikko("check", file, "--json").lines[0]["verdict"] == "will_fail"
    assert jikko("check", file, "--json", JIKKO_HTTP_ALLOW="10.0.0.0/8").lines[0]["verdict"] == "runs"


def test_a_chat_app_is_checked_and_shown_like_a_workflow(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "chat.yml"
    file.write_text(ECHO.replace('"mode": "workflow"', '"mode": "advanced-chat"'))
    outcome = jikko("check", file)
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1].startswith(f"{file}: runs")
    assert "/v1/chat-messages" in jikko("show", file).out


def test_another_mode_is_refused_by_name_with_the_reason(jikko: Command, tmp_path: Path) -> None:
    file, mode = tmp_path / "app.yml", "rag-pipeline"
    file.write_text(json.dumps({"app": {"name": "x", "mode": mode}, "kind": "app", "model_config": {"model": {}}}))
    for command in (("check",), ("apps", "import"), ("run",)):
        outcome = jikko(*command, file)
        printed = outcome.out + outcome.err
        assert outcome.code != 0
        assert f"'{mode}'" in printed
        assert "has no workflow" in printed


INPUTS: list[dict[str, Any]] = [
    {"variable": "pieces", "type": "number", "required": True},
    {"variable": "country", "type": "text-input", "required": True, "max_length": 2},
    {"variable": "size", "type": "select", "required": True, "options": ["small one", "大"]},
    {"variable": "sure", "type": "checkbox", "required": True},
    {"variable": "more", "type": "json_object", "required": True},
    {"variable": "note", "type": "paragraph", "required": False},
]


def test_the_example_runs_as_it_is(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "with 'quotes' and 空白.yml"
    variables = [{"label": "x", **entry} for entry in INPUTS]
    file.write_text(app("Many", [node("start", "start", variables=variables), end(c="start.country")], "start>end"))
    command = jikko("check", file, "--json").lines[0]["example"]["command"]

    done = subprocess.run(
        command.replace("jikko", str(JIKKO), 1),
        shell=True,
        env=environment(jikko.home),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == {"c": "te"}


def test_the_example_ran_another_command_where_a_path_or_a_text_begins_with_a_sign(
    jikko: Command, tmp_path: Path
) -> None:
    handle = {"variable": "who", "label": "x", "type": "select", "required": True, "options": ["@all"]}
    (tmp_path / "-dash.yml").write_text(
        app("Dash", [node("start", "start", variables=[handle]), end(w="start.who")], "start>end")
    )

    def run(*words: str) -> str:
        done = subprocess.run(
            words, cwd=tmp_path, env=environment(jikko.home), capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    command = json.loads(run(str(JIKKO), "check", "--json", "--", "-dash.yml"))["example"]["command"]

    assert json.loads(run("sh", "-c", f"{command.replace('jikko', str(JIKKO), 1)} 2>/dev/null")) == {"w": "@all"}


@pytest.mark.parametrize("output", ["text", "github"])
def test_a_line_break_in_the_name_of_a_file_made_lines_of_its_own(jikko: Command, tmp_path: Path, output: str) -> None:
    (tmp_path / "x\n::error::y\x1b[2J.yml").write_text(app("T", [start(), node("x", "if-elze")], "start>x"))

    lines = jikko("check", tmp_path, "--output", output).out.splitlines()

    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def test_check_and_show_need_no_data_folder_and_make_none(jikko: Command, tool: Path) -> None:
    jikko("check", tool)
    jikko("show", tool)
    assert not jikko.home.exists()
