"""The last line of a terminal, drawn again and again."""

import sys

from jikko.cli.terminal import columns, cut, tail, width
from jikko.terminal_text import printable

_CLEAR = "\r\x1b[2K"


class LiveLine:
    """One line on standard error that is no part of what stays there."""

    def __init__(self) -> None:
        self._drawn = ""

    def draw(self, text: str, coming: str = "") -> None:
        """Show a text, with the end of another behind it as far as there is room. Never wider than the terminal."""
        room = columns() - 1
        line = cut(printable(f"  ⋯ {text}"), room)
        if coming and (left := room - width(line) - 3) > 8:
            # Only its end is looked at: it may have megabytes.
            line += f" │ {tail(printable(coming[-room - 2 :]), left)}"
        if line != self._drawn:
            self._write(_CLEAR + line)
            self._drawn = line

    def clear(self) -> None:
        """Take it away."""
        if self._drawn:
            self._write(_CLEAR)
            self._drawn = ""

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
