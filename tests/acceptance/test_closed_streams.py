"""Commands with standard streams that are closed, unwritable or of limited encoding: messages and behaviour."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.processes import JIKKO, Command, environment
from tests.acceptance.workflows import ECHO

FULL = Path("/dev/full")


def shell(home: Path, line: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A line of a shell; ``jikko`` in it is the command."""
    line = line.replace("jikko", str(JIKKO))
    return subprocess.run(
        ["sh", "-c", line], env=environment(home, **settings), capture_output=True, text=True, check=False
    )


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    file = tmp_path / "響き.yml"
    file.write_text(ECHO, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("command", "buffered"),
    [("check {}", ""), ("runs list", "1"), ("show {} --json", ""), ("run {} -i q=日本", "1"), ("runs export", "")],
)
def test_a_full_disk_behind_standard_output_was_a_traceback(
    tmp_path: Path, echo: Path, command: str, buffered: str
) -> None:
    home = tmp_path / "home"
    Command(home)("run", echo, "--keep", "-i", "q=x")

    ended = shell(home, f"jikko {command.format(echo)} > {FULL}", PYTHONUNBUFFERED=buffered)

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    *_, told = ended.stderr.splitlines()
    message = "standard output cannot be written: No space left on device"
    assert told == (
        json.dumps({"code": "output", "message": message, "hint": ""}) if "--json" in command else f"Error: {message}"
    )


@pytest.mark.parametrize("command", ["runs list", "runs export"])
def test_a_reader_that_has_enough_is_no_error(tmp_path: Path, echo: Path, command: str) -> None:
    home = tmp_path / "home"
    Command(home)("run", echo, "--keep", "-i", "q=猫 🐈")

    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [JIKKO, *command.split()], env=environment(home), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize("answer", ["</dev/null", "<&-"])
def test_a_question_that_nobody_answers_names_the_option_that_does(tmp_path: Path, echo: Path, answer: str) -> None:
    home = tmp_path / "home"
    Command(home)("apps", "import", echo)

    ended = shell(home, f"jikko apps delete Echo {answer}")

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith("standard input has no answer to the question; give --yes.")
    assert [app["name"] for app in Command(home)("apps", "list", "--json").lines] == ["Echo"]


def test_a_run_without_standard_error_failed_and_gave_no_outputs(tmp_path: Path, echo: Path) -> None:
    ended = shell(tmp_path / "home", f"jikko run {echo} -i q=日本 2>&-")

    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"q": "日本"})


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("runs list", ">&-"),
        ("apps export Echo", ">&-"),
        ("providers list {}", "<&- >&- 2>&-"),
    ],
)
def test_closed_streams_lead_nowhere(tmp_path: Path, echo: Path, command: str, closed: str) -> None:
    home = tmp_path / "home"
    Command(home)("apps", "import", echo)

    ended = shell(home, f"jikko {command.format(echo)} {closed}")

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_server_that_is_started_without_streams_aborted(tmp_path: Path, echo: Path) -> None:
    home = tmp_path / "home"
    process = subprocess.Popen(["sh", "-c", f"exec {JIKKO} serve {echo} --port 0 <&- >&- 2>&-"], env=environment(home))
    try:
        # Without a server the command says so, beside the address of the settings.
        served = 'until [ -z "$(jikko console 2>&1 >/dev/null)" ]; do kill -0 $SERVER || exit 1; done; jikko console'
        listed = shell(home, served, SERVER=str(process.pid))
        led = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
    finally:
        process.terminate()
        code = process.wait()

    assert re.match(r"http://127\.0\.0\.1:\d+/console/", listed.stdout), listed
    assert led == [os.devnull] * 3
    assert code in (0, 1)  # by itself: with 1 if the disk took too long for its last writes


@pytest.mark.parametrize("encoding", ["latin-1", "cp932"])
def test_a_terminal_without_the_letters_of_a_text_was_a_traceback(tmp_path: Path, echo: Path, encoding: str) -> None:
    ended = subprocess.run(
        [JIKKO, "run", echo, "-i", "q=é 日本 🌸"],
        env=environment(tmp_path / "home", PYTHONIOENCODING=encoding),
        capture_output=True,
        check=False,
    )

    expected = "é 日本 🌸".encode(encoding, "replace").decode(encoding)
    assert (ended.returncode, json.loads(ended.stdout.decode(encoding))) == (0, {"q": expected})
