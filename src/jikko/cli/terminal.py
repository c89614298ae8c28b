"""Properties of the command's terminal."""

import select
import shutil
import signal
import socket
import sys
import unicodedata
from collections.abc import Mapping
from typing import IO, Any, Final

import click

_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False, "": False}


def color_wanted(environment: Mapping[str, str]) -> bool | None:
    """Whether to print colors, whatever the output is; ``None``: on a terminal, and nowhere else.

    ``NO_COLOR`` wins over ``FORCE_COLOR`` (https://no-color.org, https://force-color.org), which wins over ``TERM``.
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return False if environment.get("TERM") == "dumb" else None


def is_live(environment: Mapping[str, str], stream: IO[Any] | None = None) -> bool:
    """Whether lines can be drawn again: a terminal that knows how. By default standard error."""
    return (stream or sys.stderr).isatty() and environment.get("TERM", "dumb") != "dumb"


def is_conversation() -> bool:
    """Whether questions can be asked: they go to standard error, answers come from standard input."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """Ask on standard error whether something is to be done. Also within the event loop, which would only take note of
    a Ctrl-C until there is an answer. Raises ``click.Abort``: Ctrl-C, or the end of the input."""
    of_loop = signal.signal(signal.SIGINT, signal.default_int_handler)
    # One that comes just before the wait for the answer would not end that: a byte in the pair does.
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    wakes_loop = signal.set_wakeup_fd(waking.fileno())
    try:
        while True:
            click.echo(f"{question} [y/N]: ", nl=False, err=True)
            select.select([sys.stdin, woken], [], [])
            line = sys.stdin.readline()
            if not line:
                raise click.Abort
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


def columns() -> int:
    """How many characters a line has."""
    return shutil.get_terminal_size().columns


def width(text: str) -> int:
    """How many columns a text takes: Chinese, Japanese and Korean characters and emoji take two, accents none."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Cc", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """A text, of at most ``columns`` columns; ``…`` stands for what is left out."""
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
    """The end of a text, as ``cut`` gives its beginning. It takes no longer for a long text."""
    return cut(text[: -columns - 2 : -1], columns)[::-1] if columns > 0 else ""


def padded(text: str, columns: int) -> str:
    """A text with spaces behind it, up to ``columns`` columns."""
    return text + " " * max(0, columns - width(text))
