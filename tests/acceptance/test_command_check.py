"""``jikko check``, and every command's handling of files that are not workflows."""

import json
import re
from pathlib import Path

import pytest

from tests.acceptance.processes import Command
from tests.acceptance.workflows import ECHO, app, end, first_of, node, start

CYCLE = app("Cycle", [start("q"), first_of("a", "b.output"), first_of("b", "a.output"), end()], "start>a a>b b>a b>end")
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))

BAD_FILES: dict[str, tuple[str | bytes, str]] = {
    "not YAML": ("kind: app\n  app: [", "YAML"),
    "binary": (bytes(range(256)), ""),
    "empty": ("", ""),
    "a list": ("- 1\n- 2\n", ""),
    "not an app": ("kind: knowledge\nversion: 0.6.0\n", "app"),
    "another kind of app": (ECHO.replace('"mode": "workflow"', '"mode": "agent-chat"'), "agent"),
    "without a graph": ("kind: app\nversion: 0.6.0\napp: {name: x, mode: workflow}\n", "workflow"),
    "an alias bomb": (BOMB, ""),
    "deep nesting": ("[" * 5000 + "]" * 5000, ""),
    "a cycle": (CYCLE, "a -> b -> a"),
    "a dangling edge": (app("Dangling", [start("q"), end()], "start>nd"), "nd"),
    "a duplicate id": (app("Twice", [start("q"), end(), end()], "start>end"), "end"),
    "a missing start": (app("Headless", [end()], ""), "start"),
    "an unknown type": (app("Odd", [start("q"), node("x", "if-elze"), end()], "start>x x>end"), "if-else"),
}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.yml"
    file.write_text(ECHO, encoding="utf-8")
    return file


@pytest.fixture(params=BAD_FILES)
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A bad file, and a word that what is said about it must have."""
    content, word = BAD_FILES[request.param]
    file = tmp_path / "bad.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file, word


def test_a_good_file_passes(jikko: Command, good: Path) -> None:
    outcome = jikko("check", good)
    assert outcome.code == 0
    assert outcome.out == f"{good}: runs: jikko run {good}\n"


def test_a_bad_file_fails_with_a_line_that_says_why(jikko: Command, bad: tuple[Path, str]) -> None:
    file, word = bad
    outcome = jikko("check", file)
    assert outcome.code == 1
    assert not outcome.has_traceback
    assert outcome.out.startswith(f"{file}:")
    assert word in outcome.out
    assert outcome.out.splitlines()[-1].startswith(f"{file}: cannot be imported: ")


def test_a_bad_file_is_not_imported(jikko: Command, bad: tuple[Path, str]) -> None:
    outcome = jikko("apps", "import", bad[0])
    assert outcome.code == 8
    assert not outcome.has_traceback
    assert outcome.err
    assert jikko("apps", "list").out == ""


def test_a_bad_file_is_told_in_json_with_the_path_of_each_problem(jikko: Command, bad: tuple[Path, str]) -> None:
    outcome = jikko("apps", "import", bad[0], "--json")
    assert outcome.code == 8
    [entry] = outcome.lines
    assert entry["file"] == str(bad[0])
    assert entry["error"]["message"]
    assert all({"path", "problem", "hint"} == set(problem) for problem in entry["error"]["problems"])
    assert entry["error"]["problems"]


@pytest.mark.parametrize("bad", ["not YAML", "not an app", "a cycle"], indirect=True)
def test_a_bad_file_does_not_run(jikko: Command, bad: tuple[Path, str]) -> None:
    outcome = jikko("run", bad[0])
    assert outcome.code == 8
    assert not outcome.has_traceback
    assert outcome.err


@pytest.mark.parametrize("bad", ["not YAML", "not an app", "a cycle"], indirect=True)
def test_a_server_does_not_start_with_a_bad_file(jikko: Command, bad: tuple[Path, str]) -> None:
    outcome = jikko("serve", bad[0], "--port", "0")
    assert outcome.code == 8
    assert not outcome.has_traceback
    assert outcome.err


def test_a_file_of_50_megabytes_is_refused_by_its_size(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "large.yml"
    with file.open("wb") as opened:
        opened.truncate(50 << 20)
    for command in (("check",), ("apps", "import"), ("run",), ("serve", "--port", "0")):
        outcome = jikko(*command, file)
        assert outcome.code == (1 if command[0] == "check" else 8)
        assert not outcome.has_traceback
        assert "large" in outcome.out + outcome.err


@pytest.mark.parametrize("command", [("check",), ("apps", "import"), ("serve", "--port", "0"), ("run",)])
def test_a_file_that_is_not_there_is_named(jikko: Command, tmp_path: Path, command: tuple[str, ...]) -> None:
    outcome = jikko(*command, tmp_path / "nowhere.yml")
    assert outcome.code in (1, 2)
    assert not outcome.has_traceback
    assert "nowhere.yml" in outcome.out + outcome.err


def test_all_problems_of_all_files_are_told_at_once(jikko: Command, good: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(app("B", [start("q"), node("x", "if-elze"), end(), end()], "start>nowhere start>end"))
    outcome = jikko("check", good, broken, good)
    assert outcome.code == 1
    assert all(word in outcome.out for word in ("if-elze", "nowhere", "workflow.graph.nodes[3].id"))
    assert outcome.out.splitlines()[-1] == "3 files: 2 run, 1 cannot be imported"


def test_a_misspelt_type_gets_a_hint(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "odd.yml"
    file.write_text(BAD_FILES["an unknown type"][0])  # type: ignore[arg-type]
    assert "did you mean 'if-else'?" in jikko("check", file).out.lower()


@pytest.mark.parametrize("version", ["0.1.0", "0.1.5", "0.3.1", "0.6.0"])
def test_older_versions_of_the_language_are_read(jikko: Command, tmp_path: Path, version: str) -> None:
    file = tmp_path / "old.yml"
    file.write_text(app("Old", [start("q"), end(q="start.q")], "start>end", version=version))
    assert jikko("check", file).code == 0


def test_unknown_fields_are_tolerated(jikko: Command, tmp_path: Path) -> None:
    content = json.loads(ECHO)
    content["from_the_future"] = {"a": 1}
    content["workflow"]["graph"]["nodes"][0]["data"]["sparkle"] = True
    file = tmp_path / "future.yml"
    file.write_text(json.dumps(content))
    assert jikko("check", file).code == 0


def test_the_examples_run(jikko: Command) -> None:
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.yml"))
    outcome = jikko("check", *examples, "--strict")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == f"{len(examples)} files: {len(examples)} run"


def test_ten_uses_run_once_their_models_and_datasets_are_there(jikko: Command) -> None:
    page = (Path(__file__).parents[2] / "docs" / "examples.md").read_text(encoding="utf-8")
    docs = Path(__file__).parents[2] / "docs"
    files = [docs / name for name in re.findall(r"\]\((\.\./examples/[\w/-]+\.yml)\)", page)]
    outcome = jikko("check", *files, "--fake-models", "--fail-on", "may_fail")
    assert (len(files), outcome.code) == (10, 0), outcome.out
    assert all(file.with_suffix(".test.yml").is_file() for file in files)
