"""Progress display of a run."""

from typing import Any

import pytest

from jikko.cli.running.form_questions import say_form
from jikko.cli.running.run_progress import ProgressReporter
from jikko.cli.terminal import color_wanted, cut, padded, tail, width
from jikko.events import ContainerStarted, NodeFinished, NodeStarted, RoundFinished, RunFinished, TextChunk

EACH: dict[str, Any] = {"execution_id": "e", "node_id": "each", "node_type": "iteration", "title": "毎回", "index": 1}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jikko.cli.running.run_progress.is_live", lambda environment: True)
    monkeypatch.setenv("COLUMNS", "40")


def live(progress: ProgressReporter, capsys: pytest.CaptureFixture[str]) -> str:
    """The line that was drawn last."""
    progress.tick()
    return capsys.readouterr().err.rpartition("\x1b[2K")[2]


@pytest.mark.usefixtures("terminal")
def test_the_last_line_has_a_clock_and_the_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ProgressReporter(as_json=False)
    progress.show(NodeStarted(at=0.0, **EACH))
    progress.show(ContainerStarted(at=0.0, length=100, **EACH))
    for number in range(3):
        progress.show(RoundFinished(at=0.0, round=number, elapsed=0.0, **EACH))

    assert live(progress, capsys).startswith("  ⋯ 毎回 0.")
    progress.show(RoundFinished(at=0.0, round=3, elapsed=0.0, **EACH))
    assert live(progress, capsys).endswith(" s  4/100")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    "title", ["Translate the whole of the document into Japanese", "とても長い名前の翻訳ノードです" * 3]
)
def test_a_long_title_left_no_room_for_the_clock(capsys: pytest.CaptureFixture[str], title: str) -> None:
    progress = ProgressReporter(as_json=False)
    progress.show(NodeStarted(at=0.0, **{**EACH, "title": title}))
    progress.show(ContainerStarted(at=0.0, length=100, **EACH))
    progress.show(RoundFinished(at=0.0, round=0, elapsed=0.0, **EACH))

    drawn = live(progress, capsys)

    assert drawn.startswith(f"  ⋯ {title[:8]}")
    assert drawn.endswith(" s  1/100")
    assert "… 0." in drawn
    assert width(drawn) < 40


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("text", ["x" * 1_000_000, "日本" * 1000, "a\x1b[31m\rb" * 100])
def test_text_that_comes_never_makes_the_line_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    progress = ProgressReporter(as_json=False)
    progress.show(NodeStarted(at=0.0, **EACH))
    progress.show(TextChunk(at=0.0, text=text[:900], selector=("each", "text")))

    drawn = live(progress, capsys)

    assert "⋯ 毎回" in drawn
    assert width(drawn) < 40
    assert "\r" not in drawn
    progress.show(TextChunk(at=0.0, text=text, selector=("each", "text")))
    assert "\x1b[31m" not in capsys.readouterr().err


def test_titles_and_errors_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil: dict[str, Any] = {**EACH, "node_type": "code", "title": "a\x1b[2Jb\x07"}
    progress = ProgressReporter(as_json=False)
    progress.show(NodeStarted(at=0.0, **evil))
    progress.show(
        NodeFinished(at=1.0, started_at=0.0, elapsed=1.0, status="failed", error="no\x9b31m\nsecond line", **evil)
    )

    printed = capsys.readouterr().err
    assert not any(character in printed for character in "\x1b\x07\x9b")
    assert "a [2Jb" in printed
    assert "\nsecond line\n" in printed


def test_a_form_is_shown_without_what_steers_a_terminal_and_with_the_names_of_its_inputs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_form({"form_content": "Dear \x1b]0;x\x07you,\n{{#$output.note#}} ({{#other#}})"}, "Ask\x1b[31m")

    printed = capsys.readouterr().err.splitlines()
    assert printed[1:] == ["  Dear  ]0;x you,", "  [note] ({{#other#}})"]
    assert "\x1b[31m" not in printed[0]


def test_elsewhere_there_are_plain_lines_only(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ProgressReporter(as_json=False)
    progress.show(NodeStarted(at=0.0, **EACH))
    progress.show(TextChunk(at=0.0, text="text\n", selector=("each", "text")))
    progress.tick()

    assert capsys.readouterr().err == "  ▸ 毎回 (iteration)\n"


def test_an_error_that_stands_with_its_node_is_not_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ProgressReporter(as_json=False)
    progress.show(NodeFinished(at=0.0, started_at=0.0, elapsed=0.0, status="failed", error="bad luck", **EACH))
    progress.show(RunFinished(at=0.0, status="failed", error="bad luck", elapsed=0.0))

    assert capsys.readouterr().err.count("bad luck") == 1
    other = ProgressReporter(as_json=False)
    other.show(RunFinished(at=0.0, status="failed", error="no time", elapsed=0.0))
    assert "no time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"TERM": "xterm"}, None),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, None),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"FORCE_COLOR": "0"}, None),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colors_are_as_the_environment_wants_them(environment: dict[str, str], wanted: bool | None) -> None:
    assert color_wanted(environment) is wanted


def test_texts_are_cut_by_the_columns_that_they_take() -> None:
    assert (width("日本"), width("é"), width("e\u0301")) == (4, 1, 1)
    assert (cut("日本語", 5), cut("abc", 3), cut("abcd", 3), cut("abc", 0)) == ("日本…", "abc", "ab…", "")
    assert (tail("日本語", 5), tail("abc", 3), tail("abcd", 3)) == ("…本語", "abc", "…cd")
    assert padded("日", 4) == "日  "
