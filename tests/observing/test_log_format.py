"""What a line of the log looks like, for people and for machines."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from jikko.log_context import LogContext, log_context
from jikko.observing.log_format import JsonLines, TextLines


@pytest.fixture(autouse=True)
def in_a_run() -> Iterator[None]:
    """While a run of an app is worked on."""
    before = log_context.set(LogContext(run="r-1", app="a-1"))
    yield
    log_context.reset(before)


def record(message: str, *values: Any, error: Exception | None = None, **fields: Any) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    line = logging.LogRecord("jikko.runs", logging.WARNING, "file", 1, message, values, exc_info)
    line.fields = fields
    return line


def test_text_has_level_logger_and_message_then_what_it_is_about() -> None:
    line = TextLines().format(record("run %s", "ended", seconds=1.5, why="two words"))
    assert line == 'WARNING jikko.runs: run ended run=r-1 app=a-1 seconds=1.5 why="two words"'


def test_json_has_the_same_by_name_and_the_time() -> None:
    line = json.loads(JsonLines().format(record("run %s", "ended", seconds=1.5)))
    assert datetime.fromisoformat(line.pop("ts")).tzinfo is not None
    assert line == {
        "level": "warning",
        "logger": "jikko.runs",
        "msg": "run ended",
        "run": "r-1",
        "app": "a-1",
        "seconds": 1.5,
    }


@pytest.mark.parametrize("form", [TextLines(), JsonLines()])
def test_what_a_line_says_itself_comes_before_what_is_being_worked_on(form: logging.Formatter) -> None:
    line = form.format(record("taken over", run="r-2"))
    assert "r-2" in line
    assert "r-1" not in line


def test_an_error_is_one_field_of_one_line_of_json() -> None:
    def fail() -> None:
        raise ValueError("two\nlines")

    try:
        fail()
    except ValueError:
        error = sys.exc_info()[1]
    assert isinstance(error, Exception)
    text = JsonLines().format(record("it failed", error=error))

    assert "\n" not in text
    logged = json.loads(text)["error"]
    assert (logged["type"], logged["message"]) == ("ValueError", "two\nlines")
    assert "in fail" in logged["stack"]


def test_a_value_that_no_json_has_is_told_as_its_text() -> None:
    assert json.loads(JsonLines().format(record("x", what=ValueError("odd"))))["what"] == "odd"


@pytest.mark.parametrize(("value", "shown"), [("", '""'), ("a=b", '"a=b"'), ('say "x"', r'"say \"x\""'), (3, "3")])
def test_a_value_of_a_text_line_can_be_told_from_the_next_one(value: object, shown: str) -> None:
    assert TextLines().format(record("x", what=value)).endswith(f" what={shown}")


def test_the_trace_that_came_with_a_request_is_told_and_not_that_of_the_run_itself() -> None:
    trace, run = "4bf92f3577b34da6a3ce929d0e0e4736", "0199a1b2-0000-7000-8000-00000000abcd"
    for came, shown in ((f"00-{trace}-00f067aa0ba902b7-01", trace), ("", None)):
        log_context.set(LogContext(run=run, came=came))
        assert json.loads(JsonLines().format(record("x"))).get("trace") == shown


def test_nothing_is_made_of_a_request_before_a_line_is_written() -> None:
    looks = []

    class Headers(list[tuple[bytes, bytes]]):
        def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
            looks.append(self)
            return super().__iter__()

    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = Headers([(b"host", b"x"), (b"traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())])
    before = log_context.set(LogContext(b"r-1", headers))
    try:
        assert looks == []
        line = json.loads(JsonLines().format(record("told")))
    finally:
        log_context.reset(before)

    assert (line["request"], line["trace"], len(looks)) == ("r-1", trace, 1)
