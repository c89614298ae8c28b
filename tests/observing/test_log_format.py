"""Log lines, for people and machines."""

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from jikko.log_context import LogContext, log_context
from jikko.observing.log_format import JsonLines, LineRecord, LogLines, TextLines, line_record


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


class Written(io.StringIO):
    """Standard error, with what was written to it at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces += [text] if text else []
        return super().write(text)


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def logger(written: Written) -> Iterator[logging.Logger]:
    """Writes there."""
    found, handler = logging.Logger("jikko.runs"), LogLines(at_once=False)
    handler.setStream(written)
    handler.setFormatter(TextLines())
    found.addHandler(handler)
    log_context.set(LogContext())
    yield found
    handler.close()


@pytest.mark.anyio
async def test_lines_of_one_turn_of_the_event_loop_are_written_together(
    logger: logging.Logger, written: Written
) -> None:
    for number in range(3):
        logger.info("実行 %d 🎌", number)
    assert written.pieces == []
    await asyncio.sleep(0)
    logger.info("the next turn")
    await asyncio.sleep(0)

    lines = [f"INFO jikko.runs: 実行 {number} 🎌\n" for number in range(3)]
    assert written.pieces == ["".join(lines), "INFO jikko.runs: the next turn\n"]


@pytest.mark.anyio
async def test_a_warning_is_written_at_once_and_behind_what_came_before_it(
    logger: logging.Logger, written: Written
) -> None:
    logger.info("one")
    logger.warning("two")
    assert written.pieces == ["INFO jikko.runs: one\nWARNING jikko.runs: two\n"]
    await asyncio.sleep(0)
    assert len(written.pieces) == 1


@pytest.mark.anyio
async def test_a_line_of_another_thread_is_written_at_once(logger: logging.Logger, written: Written) -> None:
    logger.info("of the loop")
    thread = threading.Thread(target=logger.info, args=("of a thread",))
    thread.start()
    thread.join()
    assert written.pieces == ["INFO jikko.runs: of the loop\nINFO jikko.runs: of a thread\n"]


def test_what_is_left_at_the_end_of_the_loop_is_written_with_the_end_of_the_log(
    logger: logging.Logger, written: Written
) -> None:
    async def tell() -> None:
        logger.info("the last")

    loop = asyncio.new_event_loop()
    task = loop.create_task(tell())
    task.add_done_callback(lambda _: loop.stop())
    loop.run_forever()
    loop.close()
    logger.handlers[0].flush()
    assert written.pieces == ["INFO jikko.runs: the last\n"]


def test_a_line_that_cannot_be_written_stops_nothing(logger: logging.Logger, written: Written) -> None:
    written.close()
    logger.warning("lost")


def test_a_record_without_its_place_in_the_program_has_all_of_a_line() -> None:
    try:
        raise ValueError("二行")
    except ValueError:
        given = (None, sys.exc_info(), "caller", None)
    line = LineRecord("jikko", logging.ERROR, "file", 1, "100 %", *given)
    assert TextLines().format(line).startswith("ERROR jikko: 100 % run=r-1 app=a-1\nTraceback")
    assert TextLines().format(line).endswith("ValueError: 二行")
    by_name = LineRecord("jikko", logging.INFO, "file", 1, "%(a)s of %(b)s", ({"a": 1, "b": "x"},), None)
    assert by_name.getMessage() == "1 of x"
    assert json.loads(JsonLines().format(by_name))["msg"] == "1 of x"


@pytest.mark.anyio
async def test_where_each_line_counts_it_is_written_at_once(written: Written) -> None:
    handler = LogLines(at_once=True)
    handler.setStream(written)
    handler.handle(record("one"))
    handler.handle(record("two"))
    assert written.pieces == ["one\n", "two\n"]


def test_formatters_of_libraries_can_write_their_lines() -> None:
    form = "%(asctime)s %(msecs)d %(process)d %(module)s %(funcName)s %(filename)s:%(lineno)d %(message)s"
    line = line_record("library", logging.WARNING, "a.py", 7, "実行 %d", (1,), None, "main", None)
    assert logging.Formatter(form).format(line).endswith(" main a.py:7 実行 1")
    assert type(line_record("jikko.runs", logging.WARNING, "a.py", 7, "x", (), None, "main", None)) is LineRecord
