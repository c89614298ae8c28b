"""Standard input, output and error of the process: closed by who started it, of an old encoding, or on a full disk."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO, cast

import click


def open_those_that_are_closed() -> None:
    """Streams that the caller has closed (``2>&-``) lead nowhere instead.

    Otherwise the next file or socket that is opened has their number, and what is printed goes into it. To be called
    before any is opened; costs nothing if none is closed.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or _opened(0, "r")
    sys.stdout = sys.stdout or _opened(1, "w")
    sys.stderr = sys.stderr or _opened(2, "w")


def _opened(number: int, mode: str) -> TextIO:
    return cast("TextIO", open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))


def write_what_an_encoding_lacks_as_question_marks() -> None:
    """Of a terminal that is not for UTF-8: half of a text is more than an error in its place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="replace")


def output_is_at_fault(error: OSError) -> bool:
    """Whether the error is that standard output or standard error cannot be written.

    If so, the stream leads nowhere from here on: Python would try once more at its end, and fail with a code of its
    own.
    """
    at_fault = _comes_from_printing(error)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            # What a buffer could not write, it still has; without one (PYTHONUNBUFFERED) nothing is left to tell it by.
            stream.flush()
        except OSError:
            at_fault = True
            _discard(stream)
    return at_fault


def _comes_from_printing(error: OSError) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is click.echo.__code__


def _discard(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
    with suppress(OSError):
        stream.flush()
