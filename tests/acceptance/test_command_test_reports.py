"""``jikko test`` for people and CI systems: reports, snapshots, coverage, watching."""

import json
import os
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.acceptance.case_files import BRANCHES, FETCHES, kept, outcomes
from tests.acceptance.processes import JIKKO, Command, environment
from tests.acceptance.workflows import app, node, start
from tests.effort import PATIENCE


def test_reports_are_for_ci_systems_too(jikko: Command, tmp_path: Path) -> None:
    path = kept(
        tmp_path,
        BRANCHES,
        {"name": "good", "inputs": {"q": "x"}},
        {"name": "bad", "inputs": {"q": "x"}, "expect": {"outputs": {"x": "<y>"}}},
        {"name": "not given", "inputs": {"nix": "x"}},
    )

    outcome = jikko("test", path, "--output", "github", "--junit", str(tmp_path / "report.xml"))

    assert f"::error file={path},title=jikko test,line=1::bad%0Aoutputs.x: expected" in outcome.out
    [suite] = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    assert [case.get("name") for case in suite] == ["good", "bad", "not given"]
    assert suite[1][0].get("message") == 'outputs.x: expected "<y>", got "low x"'


def test_a_snapshot_fails_until_it_is_kept_and_when_the_workflow_does_otherwise(jikko: Command, tmp_path: Path) -> None:
    case = {"name": "kept", "inputs": {"q": "x"}, "expect": {"snapshot": True}}
    path = kept(tmp_path, BRANCHES, case)

    assert "none yet" in outcomes(jikko, path)["kept"]
    assert outcomes(jikko, path, "--update") == {"kept": "passed"}
    assert outcomes(jikko, path) == {"kept": "passed"}

    kept(tmp_path, BRANCHES.replace("low {{ q }}", "LOW {{ q }}"), case)
    assert outcomes(jikko, path)["kept"].startswith('failed | expected "low x", got "LOW x"; if it is meant so')
    assert json.loads((tmp_path / "flow.snapshots.json").read_text())["kept"]["runs"][0]["outputs"] == {"x": "low x"}


def test_a_turn_has_a_snapshot_too(jikko: Command, tmp_path: Path) -> None:
    talk = app("Talk", [start(), node("Reply", "answer", answer="一")], "start>Reply", mode="advanced-chat")
    path = kept(tmp_path, talk, {"name": "kept", "turns": [{"say": "x", "expect": {"snapshot": True}}]})

    assert "none yet" in outcomes(jikko, path)["kept"]
    assert outcomes(jikko, path, "--update") == {"kept": "passed"}
    kept(tmp_path, talk.replace("一", "二"), json.loads(path.read_text())["cases"][0])
    assert 'expected "一", got "二"' in outcomes(jikko, path)["kept"]


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000])
def test_snapshots_that_cannot_be_read_are_told_of(text: str, jikko: Command, tmp_path: Path) -> None:
    path = kept(tmp_path, BRANCHES, {"name": "kept", "inputs": {"q": "x"}, "expect": {"snapshot": True}})
    (tmp_path / "flow.snapshots.json").write_text(text)

    outcome = jikko("test", path)

    assert (outcome.code, outcome.out) == (2, "")
    assert f"{tmp_path / 'flow.snapshots.json'} cannot be read: " in outcome.err


@pytest.mark.parametrize("option", ["--junit", "--lcov"])
def test_a_report_that_cannot_be_written_is_told_of_before_any_case_runs(
    option: str, jikko: Command, tmp_path: Path
) -> None:
    path = kept(tmp_path, BRANCHES, {"name": "a", "inputs": {"q": "x"}})

    outcome = jikko("test", path, option, tmp_path / "none" / "x")

    assert (outcome.code, outcome.out) == (2, "")
    assert f"cannot be written: no folder {tmp_path / 'none'}" in outcome.err


def test_coverage_tells_the_nodes_and_branches_that_no_case_came_to(jikko: Command, tmp_path: Path) -> None:
    mocked = {"low": {"outputs": {"output": "m"}}}
    path = kept(tmp_path, BRANCHES, {"name": "a", "inputs": {"q": "x"}, "mocks": mocked})
    flow = tmp_path / "flow.yml"
    lines = flow.read_text().splitlines()
    at = {name: lines.index(f'     "id": "{name}",') + 2 for name in ("high", "low", "route")}

    outcome = jikko("test", path, "--coverage", "--lcov", tmp_path / "lcov.info")

    assert outcome.out.splitlines()[2:-1] == [
        f"{flow}: 5 of 6 nodes",
        f"  {flow}:{at['high']}: high: never ran",
        f"  {flow}:{at['low']}: low: only mocked",
        f"{flow}: 1 of 2 branches",
        f"  {flow}:{at['route']}: route → true: never taken",
    ]
    written = (tmp_path / "lcov.info").read_text().splitlines()
    assert {f"BRDA:{at['route']},0,0,-", f"BRDA:{at['route']},0,1,1", f"DA:{at['high']},0", f"DA:{at['low']},0"} <= {
        *written
    }


def test_watching_runs_the_cases_again_when_a_file_changes(jikko: Command, tmp_path: Path) -> None:
    tests, flow = tmp_path / "tests", tmp_path / "flow.yml"
    tests.mkdir()
    flow.write_text(BRANCHES, encoding="utf-8")
    path = tests / "far.test.yml"
    case = {"inputs": {"q": "x"}, "expect": {"outputs": {"x": "low x"}}}

    def write(*names: str, path: Path = path) -> None:
        file = {"workflow": "../flow.yml", "cases": [{"name": name, **case} for name in names]}
        path.write_text(json.dumps(file, ensure_ascii=False), encoding="utf-8")

    write("a")
    # Reports that the command writes itself are no change.
    written = ["--junit", str(tests / "j.xml"), "--lcov", str(tests / "l.info")]
    command = [str(JIKKO), "test", str(path), "--watch", *written]
    with subprocess.Popen(
        command, env=environment(jikko.home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            assert next(line for line in lines if "passed in" in line).startswith("1 passed")

            write("a", "二")
            assert next(line for line in lines if "passed in" in line).startswith("2 passed")

            # One that is as old takes its place, as tools that keep times have it.
            new, old = tmp_path / "new.yml", path.stat()
            write("a", "二", "🙂", path=new)
            os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
            new.replace(path)
            assert next(line for line in lines if "passed in" in line).startswith("3 passed")

            flow.write_text(BRANCHES.replace("low {{ q }}", "LOW {{ q }}"), encoding="utf-8")
            assert next(line for line in lines if "failed in" in line).startswith("3 failed")
            assert next(lines) == "waiting for a change; Ctrl-C ends\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
            assert list(lines) == []
        finally:
            process.kill()


def test_many_cases_of_one_workflow_share_what_is_dear(jikko: Command, tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        path = kept(tmp_path, FETCHES, *({"name": str(n), "inputs": {"q": "x"}} for n in range(count)), http=[{}])
        before = os.times()
        subprocess.run([JIKKO, "test", path], env=environment(jikko.home), stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        return after.children_user - before.children_user + after.children_system - before.children_system

    one, many = seconds(1), seconds(100)

    assert many < 4 * one


def test_cases_are_run_against_another_version(jikko: Command, tmp_path: Path) -> None:
    path = kept(tmp_path, BRANCHES, {"name": "a", "inputs": {"q": "x"}, "expect": {"outputs": {"x": "low x"}}})
    other = tmp_path / "新.yml"
    other.write_text(BRANCHES.replace("low {{ q }}", "LOW {{ q }}"), encoding="utf-8")

    assert outcomes(jikko, path) == {"a": "passed"}
    assert outcomes(jikko, path, "--against", str(other)) == {"a": 'failed | expected "low x", got "LOW x"'}
    assert "ms  (at present: passed)" in jikko("test", path, "--against", other).out
