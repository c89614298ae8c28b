"""Terminal and standard streams of the command: closed by the caller, with a legacy encoding, or on a full disk."""

import os
import select
import shutil
import signal
import socket
import sys
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from io import TextIOWrapper
from typing import IO, Any, Final, TextIO, cast

import click

_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False, "": False}


def color_wanted(environment: Mapping[str, str]) -> bool | None:
    """Return whether to print colors regardless of the output; ``None``: only on a terminal. ``NO_COLOR`` overrides
    ``FORCE_COLOR`` (https://no-color.org, https://force-color.org), which overrides ``TERM``."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return False if environment.get("TERM") == "dumb" else None


def is_live(environment: Mapping[str, str], stream: IO[Any] | None = None) -> bool:
    """Return whether lines can be redrawn: on a capable terminal. By default for standard error."""
    return (stream or sys.stderr).isatty() and environment.get("TERM", "dumb") != "dumb"


def is_conversation() -> bool:
    """Return whether questions can be asked: on standard error, with answers from standard input."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """Ask a yes-or-no question on standard error. Also works within the event loop, which would only note a Ctrl-C
    until there is an answer. Raises ``click.Abort``: Ctrl-C. Raises ``click.UsageError``: the input has ended."""
    of_loop = signal.signal(signal.SIGINT, signal.default_int_handler)
    # A Ctrl-C just before the wait would not end it: a byte in the pair does.
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    wakes_loop = signal.set_wakeup_fd(waking.fileno())
    try:
        while True:
            click.echo(f"{question} [y/N]: ", nl=False, err=True)
            select.select([sys.stdin, woken], [], [])
            line = sys.stdin.readline()
            if not line:
                click.echo(err=True)
                raise click.UsageError("Nothing was done: standard input has no answer to the question; give --yes.")
            if (answer := line.strip().lower()) in _ANSWERS:
                return _ANSWERS[answer]
            click.echo("Error: invalid input", err=True)
    except KeyboardInterrupt:
        click.echo(err=True)
        raise click.Abort from None
    finally:
        signal.set_wakeup_fd(wakes_loop, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, of_loop)
        woken.close()
        waking.close()


def key_given(key: str, option: str) -> str:
    """Return a key that an option gives; for ``-`` the first line of standard input. Raises ``click.UsageError``: it is
    empty."""
    key = sys.stdin.readline().strip() if key == "-" else key
    if not key:
        raise click.UsageError(f"{option}: the key is empty.")
    return key


def columns() -> int:
    """Return the characters of a line."""
    return shutil.get_terminal_size().columns


def width(text: str) -> int:
    """Return the columns of a text: Chinese, Japanese and Korean characters and emoji take two, accents none."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Cc", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Shorten a text to ``columns`` columns, with ``…`` for the omitted part."""
    if width(text) <= columns:
        return text
    kept, room = [], columns - 1
    for character in text:
        room -= _width(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…" if columns > 0 else ""


def tail(text: str, columns: int) -> str:
    """Return the end of a text, as ``cut`` its beginning, in the same time for any length."""
    return cut(text[: -columns - 2 : -1], columns)[::-1] if columns > 0 else ""


def padded(text: str, columns: int) -> str:
    return text + " " * max(0, columns - width(text))


def redirect_closed_streams() -> None:
    """Redirect streams that the caller closed (``2>&-``) to nowhere. Otherwise the next file or socket gets their
    descriptor, and printed text goes into it. Called before any is opened; free if none is closed."""
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


def replace_unencodable_characters() -> None:
    """Replace unencodable characters on a terminal without UTF-8: partial text beats an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="replace")


def output_is_at_fault(error: OSError) -> bool:
    """Return whether standard output or standard error caused the error. If so, the stream is redirected to nowhere:
    Python would retry at exit, and fail with another exit code."""
    at_fault = _is_print_failure(error)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            # A buffer still has its unwritten data; without one (PYTHONUNBUFFERED) the fault cannot be detected.
            stream.flush()
        except OSError:
            at_fault = True
            _discard(stream)
    return at_fault


def _is_print_failure(error: OSError) -> bool:
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
