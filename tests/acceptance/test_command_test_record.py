"""Cases with recorded external answers: `jikko test --record`, and `outside: replay`."""

import json
from pathlib import Path

import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, fetch, start, template

CASES = """\
defaults: {outside: replay}
cases:
- name: 京都
  inputs: {q: kyoto}
  expect: {outputs: {said: {contains: "!"}}}
- name: by itself
  outside: refuse
  inputs: {q: nara}
  mocks: {get: {outputs: {body: mocked}}}
"""


def written(folder: Path, echo: EchoServer) -> Path:
    nodes = [
        start("q"),
        fetch("get", f"{echo.url}/record/{{{{#start.q#}}}}"),
        template("loud", "{{ body }}!", body="get.body"),
        end(said="loud.output"),
    ]
    (folder / "flow.yml").write_text(app("Flow", nodes, "start>get>loud>end"), encoding="utf-8")
    path = folder / "flow.test.yml"
    path.write_text(CASES, encoding="utf-8")
    return path


def test_what_was_recorded_answers_in_the_place_of_the_world(jikko: Command, tmp_path: Path, echo: EchoServer) -> None:
    path = written(tmp_path, echo)
    recorded = jikko("test", "--record", path)
    assert recorded.code == 0, recorded.out + recorded.err
    assert "flow.recorded.json: answers to 1 case; they may hold personal data" in recorded.err
    calls = len(echo.calls("/record/kyoto"))
    assert calls == 1
    assert list(json.loads((tmp_path / "flow.recorded.json").read_text())) == ["京都"]

    replayed = jikko("test", path)

    assert replayed.code == 0, replayed.out
    assert len(echo.calls("/record/kyoto")) == calls
    # What is changed in the workflow really runs.
    (tmp_path / "flow.yml").write_text((tmp_path / "flow.yml").read_text().replace("{{ body }}!", "{{ body }}?"))
    assert jikko("test", path).code == 1


def test_a_case_that_was_never_recorded_says_how_to(jikko: Command, tmp_path: Path, echo: EchoServer) -> None:
    path = written(tmp_path, echo)
    for spoilt in (None, "{", '{"京都": {"get": [{"output": {}}]}}'):
        if spoilt is not None:
            (tmp_path / "flow.recorded.json").write_text(spoilt, encoding="utf-8")

        outcome = jikko("test", path)

        assert outcome.code == 2
        assert "flow.test.yml:3:3: cases[0]: there is no recording of the case '京都'" in outcome.err
        assert f"record it: `jikko test --record {path}`" in outcome.err


def test_a_case_with_an_error_is_not_recorded(jikko: Command, tmp_path: Path, echo: EchoServer) -> None:
    path = written(tmp_path, echo)
    path.write_text(CASES.replace("{q: kyoto}", "{p: kyoto}"), encoding="utf-8")

    outcome = jikko("test", "--record", path)

    assert outcome.code == 1
    assert json.loads((tmp_path / "flow.recorded.json").read_text()) == {}


def test_a_recording_of_a_node_that_is_no_longer_there_is_told(
    jikko: Command, tmp_path: Path, echo: EchoServer
) -> None:
    path = written(tmp_path, echo)
    assert jikko("test", "--record", path).code == 0
    kept = tmp_path / "flow.recorded.json"
    kept.write_text(kept.read_text().replace('"get"', '"got"'))

    outcome = jikko("test", path)

    assert outcome.code == 2
    assert "no node has the id or title 'got' (did you mean 'get'?)" in outcome.err


def test_answers_to_a_case_that_does_not_pass_replace_none(jikko: Command, tmp_path: Path, echo: EchoServer) -> None:
    path, kept = written(tmp_path, echo), tmp_path / "flow.recorded.json"
    assert jikko("test", "--record", path).code == 0
    before = kept.read_bytes()
    flow = (tmp_path / "flow.yml").read_text(encoding="utf-8")
    (tmp_path / "flow.yml").write_text(flow.replace(echo.url, "http://127.0.0.1:1"), encoding="utf-8")

    outage = jikko("test", "--record", path)

    assert outage.code == 1
    assert "京都 did not pass: its answers are not recorded" in outage.err
    assert kept.read_bytes() == before
    # A case that expects the failure is recorded with it.
    path.write_text(CASES.replace('expect: {outputs: {said: {contains: "!"}}}', "expect: {status: failed}"), "utf-8")
    assert jikko("test", "--record", path).code == 0
    assert "error" in json.loads(kept.read_text())["京都"]["get"][0]


def test_a_recording_that_cannot_be_read_is_not_overwritten(jikko: Command, tmp_path: Path, echo: EchoServer) -> None:
    path, calls = written(tmp_path, echo), len(echo.calls("/record/kyoto"))
    (tmp_path / "flow.recorded.json").write_text("<<<<<<< ours", encoding="utf-8")

    outcome = jikko("test", "--record", path)

    assert outcome.code == 2
    assert "flow.recorded.json cannot be read: " in outcome.err
    assert "Delete it, and let `jikko test --record` keep new ones." in outcome.err
    assert (tmp_path / "flow.recorded.json").read_text() == "<<<<<<< ours"
    assert len(echo.calls("/record/kyoto")) == calls


@pytest.mark.parametrize("own", [False, True])
def test_live_cases_are_not_replayed(jikko: Command, tmp_path: Path, echo: EchoServer, own: bool) -> None:
    path = written(tmp_path, echo)
    if own:
        path.write_text(CASES.split("\n", 1)[1].replace("京都\n", "京都\n  outside: replay\n"), encoding="utf-8")
    calls = len(echo.calls("/record/kyoto"))
    # Nothing is recorded yet.
    assert jikko("test", "--live", path).code == 0
    assert len(echo.calls("/record/kyoto")) == calls + 1
    assert jikko("test", "--record", "--live", path).code == 0
    assert len(echo.calls("/record/kyoto")) == calls + 2
    assert list(json.loads((tmp_path / "flow.recorded.json").read_text())) == ["京都"]

    assert jikko("test", "--live", path).code == 0
    assert len(echo.calls("/record/kyoto")) == calls + 3


@pytest.mark.parametrize("place", ["  outside: replay\n", ""])
def test_rows_of_an_evaluation_are_refused_to_be_replayed(
    jikko: Command, tmp_path: Path, echo: EchoServer, place: str
) -> None:
    path = written(tmp_path, echo)
    calls = len(echo.calls("/record/nara"))
    rows = f"evaluate:\n{place}  rows: [{{q: nara}}]\n  inputs: {{q: $row.q}}\n"
    path.write_text(rows if place else f"defaults: {{outside: replay}}\n{rows}", encoding="utf-8")

    refused = jikko("test", path)

    assert refused.code == 2
    assert "evaluate.outside: rows of an evaluation cannot be replayed" in refused.err
    assert "flow.test.yml:2:" in refused.err
    assert "expected one of refuse, fake, live" in refused.err
    assert jikko("test", "--live", path).code == 0
    assert len(echo.calls("/record/nara")) == calls + 1
