"""Reading of test files: allowed keys, clocks, and row files."""

import json
from pathlib import Path
from typing import Any

import pytest

from jikko.proving.case_file_reader import ReadFile, read_case_file

LONG = "長" * 333_334


def read(folder: Path, case: dict[str, Any], **more: Any) -> ReadFile:
    text = json.dumps({**more, "cases": [{"name": "a", **case}]})
    return read_case_file(text.encode(), folder)


def problems(folder: Path, case: dict[str, Any], **more: Any) -> list[str]:
    return [f"{problem.where}: {problem.text()}" for problem in read(folder, case, **more).problems]


@pytest.mark.parametrize("data", [{"matches": 3}, {"near": "here"}, {"one_of": "x"}, {"within": 1}, {"contains": []}])
def test_data_that_looks_like_a_matcher_is_data(data: dict[str, Any], tmp_path: Path) -> None:
    exact = {"equals": data, "schema": {"properties": data}}
    case = {
        "inputs": {"q": data, "outputs": data},
        "mocks": {"Score": {"outputs": data}},
        "models": [{"answer": data}],
        "http": [{"json": {"body": data}}],
        "expect": {"outputs": {"x": exact}, "nodes": {"models": {"inputs": exact}}},
    }

    assert problems(tmp_path, case, env={"body": data}) == []


def test_a_matcher_that_holds_for_everything_is_a_problem(tmp_path: Path) -> None:
    expect = {"outputs": {"x": {"within": 1}}, "nodes": {"n": {"error": {"not": {"contains": []}}}}}

    assert problems(tmp_path, {"turns": [{"say": "x", "expect": expect}]}) == [
        "cases[0].turns[0].expect.outputs.x.near: is missing",
        "cases[0].turns[0].expect.nodes.n.error.not.contains: is empty",
    ]


@pytest.mark.parametrize(
    ("clock", "is_right"),
    [
        ("1970-01-01T00:00:00Z", True),
        ("9998-12-31T23:59:59+00:00", True),
        ("0001-01-01T00:00:00+14:00", False),
        ("9999-12-31T23:59:59-14:00", False),
        ("1970-01-01T00:00:00+09:00", False),
        ("2026-11-30T09:00:00", False),
    ],
)
def test_a_clock_begins_at_a_moment_that_runs_can_have(clock: str, *, is_right: bool, tmp_path: Path) -> None:
    assert (problems(tmp_path, {"clock": clock}) == []) is is_right


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("r.csv", '\ufeffq,x\r\n"a\nb",\u2028\r\n', [["a\nb", "\u2028"]]),
        (
            "r.jsonl",
            '\ufeff{"q": "a\u2028b", "x": "\x85"}\r\n\n{"q": "円", "x": 2}\n',
            [["a\u2028b", "\x85"], ["円", 2]],
        ),
        ("r.json", '\ufeff[{"q": "🚑", "x": null}]', [["🚑", None]]),
        ("r.csv", f"q,x\n{LONG},1\n", [[LONG, "1"]]),
    ],
)
def test_rows_are_read_as_they_were_written(name: str, text: str, rows: list[Any], tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")

    found = read(tmp_path, {"rows": name, "inputs": {"q": "$row.q", "x": "$row.x"}})

    assert found.problems == []
    assert found.file is not None
    assert [list(case.inputs.values()) for case in found.file.cases] == rows


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("r.csv", "q\n1\n1,2\n", "row 2 has more cells than there are columns"),
        ("r.json", "[" * 100_000, "it is nested too deeply"),
    ],
)
def test_rows_that_cannot_be_read_are_told_of(name: str, text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)

    assert problems(tmp_path, {"rows": name}) == [f"cases[0].rows: cannot be read: {reason}"]
