"""Exit codes, and their documentation."""

import re
from pathlib import Path
from typing import Any

import pytest

from jikko import errors
from jikko.engine.event_factory import out_of_time
from jikko.exit_codes import ExitCode, of_answer, of_error, of_run

DOCUMENT = Path(__file__).parents[1] / "docs" / "exit-codes.md"


def test_the_page_lists_each_code_once_and_no_other() -> None:
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)]

    assert listed == [code.value for code in ExitCode]


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("succeeded", None, ExitCode.OK),
        ("partial-succeeded", "x", ExitCode.OK),
        ("failed", "x", ExitCode.FAILED),
        ("stopped", "Workflow run was stopped by user cli.", ExitCode.STOPPED),
        ("stopped", out_of_time(2.0, 1.0), ExitCode.TIME_LIMIT),
        ("paused", None, ExitCode.PAUSED),
    ],
)
def test_each_end_of_a_run_has_its_own(status: Any, error: str | None, code: ExitCode) -> None:
    assert of_run(status, error) is code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFound("x"), ExitCode.NOT_FOUND),
        (errors.InvalidParam("x"), ExitCode.WRONG_INPUT),
        (errors.InvalidDocument("x", []), ExitCode.INVALID_WORKFLOW),
        (errors.FolderInUse(Path("x")), ExitCode.CONFLICT),
        (errors.InvalidSettings("x"), ExitCode.USAGE),
        (errors.StoreUnavailable("x"), ExitCode.UNAVAILABLE),
        (errors.JikkoError("x"), ExitCode.FAILED),
    ],
)
def test_each_kind_of_error_has_its_own(error: Exception, code: ExitCode) -> None:
    assert of_error(error) is code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ExitCode.WRONG_INPUT),
        (401, ExitCode.REFUSED),
        (403, ExitCode.REFUSED),
        (404, ExitCode.NOT_FOUND),
        (409, ExitCode.CONFLICT),
        (412, ExitCode.CONFLICT),
        (413, ExitCode.FAILED),
        (429, ExitCode.UNAVAILABLE),
        (500, ExitCode.FAILED),
        (503, ExitCode.UNAVAILABLE),
    ],
)
def test_an_answer_of_a_server_has_that_of_its_status(status: int, code: ExitCode) -> None:
    assert of_answer(status) is code
