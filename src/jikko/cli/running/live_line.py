"""The last line of a terminal, drawn again and again."""

import sys

from jikko.cli.terminal import columns, cut, tail, width
from jikko.terminal_text import printable

_CLEAR = "\r\x1b[2K"


class LiveLine:
    """One line on standard error that is no part of what stays there."""

    def __init__(self) -> None:
        self._drawn = ""

    def draw(self, title: str, clock: str, coming: str = "") -> None:
        """Show a title, with a clock behind it, and the end of a text as far as there is room.

        Never wider than the terminal. Of a long title less is shown: the clock is what the line is for.
        """
        room = columns() - 1
        title = cut(printable(f"  ⋯ {title}"), max(6, room - width(clock) - 1))
        line = cut(f"{title} {clock}", room)
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
