"""Lists, names and times as commands print them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jikko.cli.main import cli
from jikko.cli.output import ago, annotation, counted, show_fields, show_list, some, took
from tests.acceptance.workflows import app, end, python, start


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (-1, "0 s ago"),
        (10, "10 s ago"),
        (89.4, "89 s ago"),
        (90, "2 min ago"),
        (600, "10 min ago"),
        (5400, "2 h ago"),
        (86_399, "24 h ago"),
    ],
)
def test_a_time_is_told_by_what_has_passed_since(passed: float, shown: str) -> None:
    assert ago(1_000_000, 1_000_000 + passed) == shown


@pytest.mark.parametrize("passed", [-3600, -5, 86_400, 90_000])
def test_a_time_of_the_future_or_of_days_ago_is_a_date(passed: float) -> None:
    assert ago(1_000_000, 1_000_000 + passed) == datetime.fromtimestamp(1_000_000).astimezone().strftime(
        "%Y-%m-%d %H:%M"
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.004, "0.00 s"),
        (99.99, "99.99 s"),
        (100, "1:40 min"),
        (119.6, "2:00 min"),
        (5999.4, "99:59 min"),
        (6000, "1:40 h"),
        (90_061, "25:01 h"),
    ],
)
def test_a_length_of_time_is_told_in_the_unit_that_fits(seconds: float, shown: str) -> None:
    assert took(seconds) == shown


def test_of_many_names_the_first_are_told_and_how_many_are_left() -> None:
    assert [*some(["語", "b"], most=2)] == ["語", "b"]
    assert [*some(["a", "b", "c"], "models", 2)] == ["a", "b", "and 1 more models"]
    assert [*some(["a", "b", "c"], most=1)] == ["a", "and 2 more"]
    assert (counted(0, "run"), counted(1, "run"), counted(2, "run")) == ("0 runs", "1 run", "2 runs")


RUNS: list[dict[str, Any]] = [
    {"id": "a", "app": {"name": "翻訳 🚑"}, "created_at": 0, "count": 3, "tags": ["x"]},
    {"id": "later", "app": None, "created_at": 86_399, "count": None, "tags": []},
]


def test_a_list_has_a_head_and_columns_that_are_as_wide_as_they_look(capsys: pytest.CaptureFixture[str]) -> None:
    show_list(RUNS, ("id", "app.name", "created_at", "count", "tags"), as_json=False)
    show_list([], ("id",), as_json=False)

    assert capsys.readouterr().out.splitlines() == [
        "ID     APP      CREATED               COUNT  TAGS",
        "a      翻訳 🚑  1970-01-01T00:00:00Z  3      x",
        "later           1970-01-01T23:59:59Z",
    ]


def test_a_list_as_json_is_a_line_an_entry_with_all_of_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    show_list(RUNS, ("id",), as_json=True)

    lines = capsys.readouterr().out.splitlines()
    assert "翻訳 🚑" in lines[0]
    assert [json.loads(line) for line in lines] == RUNS


def test_one_thing_is_a_line_a_field_without_those_that_have_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    thing = {"id": "語", "ended_at": 60, "count": 0, "is_open": False, "error": "", "tags": [], "app": {}, "user": None}
    thing |= {"error": {"title": "失敗 🔥", "node_id": None}, "versions": [{"number": 2}, {"number": 1}]}

    show_fields(thing, as_json=False)
    show_fields(thing, as_json=True)

    *told, as_json = capsys.readouterr().out.splitlines()
    assert told == [
        "id  語",
        "ended_at  1970-01-01T00:01:00Z",
        "count  0",
        "is_open  false",
        "error  title 失敗 🔥",
        "versions  number 2; number 1",
    ]
    assert json.loads(as_json) == thing


def test_an_annotation_of_a_job_escapes_what_would_end_it() -> None:
    assert (
        annotation("error", "a,b:c.yml", "100 %\r\n円, x: y", title="no: such", line=3, column=7)
        == "::error file=a%2Cb%3Ac.yml,title=no%3A such,line=3,col=7::100 %25%0D%0A円, x: y"
    )
    assert annotation("warning", "a.yml", "t", title="x", line=2) == "::warning file=a.yml,title=x,line=2::t"
    assert annotation("warning", "a.yml", "t", title="x", column=2) == "::warning file=a.yml,title=x::t"


def test_outputs_are_json_also_if_a_program_returns_what_json_does_not_have(tmp_path: Path) -> None:
    file = tmp_path / "数.yml"
    code = "def main():\n    return {'r': [float('nan'), -float('inf'), 2**70]}"
    nodes = [start(), python("count", code, {"r": "array[number]"}), end(r="count.r")]
    file.write_text(app("数", nodes, "start>count count>end"), encoding="utf-8")
    outcome = CliRunner().invoke(cli, ["run", str(file), "--home", str(tmp_path / "家")])
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout, parse_constant=pytest.fail) == {"r": [None, None, 2**70]}
