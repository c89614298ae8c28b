"""``jikko run``: one run in the process of the command."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import JIKKO, Command, environment
from tests.acceptance.workflows import ECHO, app, end, fetch, python, start
from tests.effort import PATIENCE

FAILS = app(
    "Fails",
    [start("q"), python("bad", "def main():\n    return 1 / 0\n", {"x": "string"}), end(x="bad.x")],
    "start>bad bad>end",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flow.yml"
    path.write_text(ECHO, encoding="utf-8")
    return path


def test_outputs_go_to_standard_output_and_progress_to_standard_error(jikko: Command, file: Path) -> None:
    outcome = jikko("run", file, "-i", "q=こんにちは 🚀")
    assert outcome.code == 0
    assert json.loads(outcome.out) == {"q": "こんにちは 🚀"}
    for part in ("start", "end", "succeeded"):
        assert part in outcome.err


@pytest.mark.parametrize("text", ["one\r\n二\r\n", "a\rb\n", "\r"], ids=["CRLF", "mixed", "CR"])
def test_ends_of_lines_of_a_file_were_changed_and_those_of_standard_input_not(
    jikko: Command, file: Path, text: str
) -> None:
    given = file.with_name("given.txt")
    given.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert json.loads(jikko("run", file, "-i", f"q=@{given}").out) == {"q": text}


def test_with_json_each_line_is_an_event(jikko: Command, file: Path) -> None:
    outcome = jikko("run", file, "-i", "q=x", "--json")
    events = [line["event"] for line in outcome.lines]
    assert events[0] == "run_started"
    assert events[-1] == "run_finished"
    assert outcome.lines[-1]["outputs"] == {"q": "x"}


def test_inputs_may_be_a_json_object_or_a_file(jikko: Command, file: Path, tmp_path: Path) -> None:
    assert json.loads(jikko("run", file, "--inputs", '{"q": "x"}').out) == {"q": "x"}
    inputs = tmp_path / "inputs.json"
    inputs.write_text('{"q": "y"}')
    assert json.loads(jikko("run", file, "--inputs", f"@{inputs}").out) == {"q": "y"}


def test_an_input_may_hold_the_sign_that_separates_name_and_value(jikko: Command, file: Path) -> None:
    assert json.loads(jikko("run", file, "-i", "q=a=b").out) == {"q": "a=b"}


DEEP = "[" * 300 + "]" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "nonsense"),
        ("--inputs", "[1]"),
        ("--inputs", "{"),
        ("-i", "=x"),
        ("--inputs", f'{{"q": {DEEP}}}'),
    ],
)
def test_inputs_that_are_none_are_a_usage_error(jikko: Command, file: Path, arguments: tuple[str, ...]) -> None:
    outcome = jikko("run", file, *arguments)
    assert outcome.code == 2
    assert not outcome.has_traceback


def test_a_run_that_fails_ends_with_code_1_and_says_which_node(jikko: Command, file: Path) -> None:
    file.write_text(FAILS)
    outcome = jikko("run", file)
    assert outcome.code == 1
    assert "division by zero" in outcome.err
    assert not outcome.has_traceback or "Traceback" in outcome.err.split("division by zero")[0]


def test_a_missing_input_is_named(jikko: Command, file: Path) -> None:
    file.write_text(app("Strict", [start("q", required=True), end(q="start.q")], "start>end"))
    outcome = jikko("run", file)
    assert outcome.code == 3
    assert "missing input: q (text" in outcome.err
    assert not outcome.has_traceback


def test_nothing_is_kept(jikko: Command, file: Path) -> None:
    jikko("run", file, "-i", "q=x")
    assert not jikko.home.exists()


def test_no_folder_need_be_there_that_can_be_written(tmp_path: Path) -> None:
    """Neither that of the command, nor the home, nor one for temporary files."""
    file = tmp_path / "flow.yml"
    file.write_text(ECHO, encoding="utf-8")
    nowhere = "/proc/nowhere"
    command: list[Any] = [JIKKO, "run", file, "-i", "q=良い 🙂"]
    places = {"HOME": nowhere, "TMPDIR": nowhere, "SQLITE_TMPDIR": nowhere, "XDG_CACHE_HOME": nowhere}
    run = subprocess.run(command, cwd="/proc", env=environment(Path(nowhere)) | places, capture_output=True, check=True)
    assert json.loads(run.stdout) == {"q": "良い 🙂"}


def test_a_run_that_would_hold_too_much_is_stopped(jikko: Command, file: Path) -> None:
    large = "def main():\n    return {'x': 'x' * 300_000}\n"
    nodes = [python(each, large, {"x": "string"}) for each in "abc"]
    file.write_text(app("Large", [start("q"), *nodes, end(x="a.x")], "start>a a>b b>c c>end"))
    outcome = jikko("run", file, JIKKO_RUN_MEMORY="500000")
    assert outcome.code == 4
    assert "(the limit is set by JIKKO_RUN_MEMORY)" in outcome.err


def test_ctrl_c_stops_the_run_and_says_so(jikko: Command, file: Path, echo: EchoServer) -> None:
    file.write_text(app("H", [start("q"), fetch("wait", f"{echo.url}/hold/ctrl-c"), end()], "start>wait wait>end"))
    process = subprocess.Popen(
        [JIKKO, "run", file], env=environment(jikko.home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    echo.wait_for_calls("/hold/ctrl-c")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"run stopped by Ctrl-C" in err
    assert b"Traceback" not in err
