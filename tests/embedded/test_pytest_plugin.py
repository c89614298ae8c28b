"""The plugin of pytest, as a project uses it: in a process of its own."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.page_blocks import ROOT, blocks

pytestmark = pytest.mark.slow

TRIAGE = (ROOT / "examples" / "support-triage.yml").read_text(encoding="utf-8")
CASES = """\
cases:
- name: 障害 is paged
  inputs: {message: "down!", plan: pro}
  expect: {path: [Page the engineer]}
- name: not as expected
  inputs: {message: "hello", plan: pro}
  expect: {path: [Page the engineer]}
- name: left out
  skip: later
  inputs: {}
- name: cannot be said
  inputs: {message: "hello"}
"""


def tried(folder: Path, *options: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """A pytest of a project that has Jikko installed, and the plugin with it."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("JIKKO_", "PYTEST", "CI"))}
    variables |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, *(("-c", code) if code else ("-m", "pytest")), "-p", "jikko.pytest_plugin", *options]
    return subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many tests had which outcome."""
    return {
        what: int(count)
        for count, what in re.findall(r"(\d+) (passed|failed|errors?|skipped)", done.stdout.splitlines()[-1])
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "triage.yml").write_text(TRIAGE, encoding="utf-8")
    return tmp_path


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    [entry] = [each for each in entry_points(group="pytest11") if each.name == "jikko"]

    assert entry.load().__name__ == "jikko.pytest_plugin"


def test_cases_are_tests_and_what_cannot_be_said_is_an_error(project: Path) -> None:
    (project / "triage.test.yml").write_text(CASES, encoding="utf-8")

    done = tried(project, "--junit-xml", "report.xml", "-v")

    assert counts(done) == {"passed": 1, "failed": 1, "skipped": 1, "error": 1}, done.stdout
    assert "expected Page the engineer, but 'Page the engineer' did not run" in done.stdout
    assert "path: Message → Score" in done.stdout
    assert "missing input: plan" in done.stdout
    assert "Traceback" not in done.stdout
    assert "triage.test.yml::障害 is paged PASSED" in done.stdout
    assert 'errors="1" failures="1" skipped="1"' in (project / "report.xml").read_text()


def test_cases_are_chosen_as_other_tests_are(project: Path) -> None:
    (project / "triage.test.yml").write_text(CASES, encoding="utf-8")

    assert counts(tried(project, "-k", "paged")) == {"passed": 1}
    assert counts(tried(project, "triage.test.yml::障害 is paged")) == {"passed": 1}


EVALUATION = """\
evaluate:
  rows: [{m: "障害, down!"}, {m: hello}]
  inputs: {message: $row.m, plan: pro}
  score: {paged: {of: reply, matches: ^PAGE}}
  gate: ["mean(paged) >= 0.5"]
"""


def test_an_evaluation_is_a_test_with_a_mark(project: Path) -> None:
    file = project / "triage.test.yml"
    file.write_text(CASES + EVALUATION, encoding="utf-8")

    assert counts(tried(project, "--strict-markers", "-m", "evaluation")) == {"passed": 1}
    assert counts(tried(project, "-m", "not evaluation")) == {"passed": 1, "failed": 1, "skipped": 1, "error": 1}
    file.write_text(EVALUATION.replace(">= 0.5", ">= 0.9"), encoding="utf-8")
    done = tried(project)
    assert (counts(done), "gate[0]: expected mean(paged) >= 0.9, got 0.5" in done.stdout) == ({"failed": 1}, True), (
        done.stdout
    )
    file.write_text(EVALUATION.replace("plan: pro", "plan: none"), encoding="utf-8")
    assert counts(tried(project)) == {"error": 1}


def test_a_test_file_that_is_wrong_is_told_with_its_lines(project: Path) -> None:
    (project / "triage.test.yml").write_text(
        CASES.replace("plan: pro}", "plan: pro}\n  input: {}", 1), encoding="utf-8"
    )

    done = tried(project)

    assert re.search(r"triage\.test\.yml:4:3: cases\[0\]\.input: .*did you mean", done.stdout), done.stdout
    assert counts(done) == {"error": 1}


def test_files_of_other_programs_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "other.test.yml").write_text("jobs: [a, b]\n")
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")

    assert counts(tried(tmp_path)) == {"passed": 1}


def test_the_fixture_runs_a_workflow_with_mocks(project: Path) -> None:
    [program] = [block.text for block in blocks("docs/testing.md", "python") if "run_flow" in block.text]
    (project / "flows").mkdir()
    (project / "triage.yml").rename(project / "flows" / "support-triage.yml")
    (project / "test_flows.py").write_text(program)

    done = tried(project)

    assert counts(done) == {"passed": program.count("def test_")}, done.stdout


def test_the_fixture_refuses_what_no_mock_answers(project: Path) -> None:
    (project / "test_refused.py").write_text(
        "def test_it(run_flow):\n    run_flow('triage.yml', {'message': 'x'})\n", encoding="utf-8"
    )

    done = tried(project)

    assert counts(done) == {"failed": 1}
    assert "InvalidParam" in done.stdout
    assert "missing input: plan" in done.stdout


def test_a_pytest_that_does_not_use_it_imports_one_module_of_jikko(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    code = (
        "import sys, pytest; code = pytest.main(sys.argv[1:]);"
        "print(sorted(name for name in sys.modules if name.startswith('jikko'))); sys.exit(code)"
    )

    done = tried(tmp_path, code=code)

    assert done.stdout.splitlines()[-1] == "['jikko', 'jikko.pytest_plugin']"
