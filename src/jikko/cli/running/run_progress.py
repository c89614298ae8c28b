"""Progress of a run on standard error, or as JSON."""

import os
import sys
import time
from typing import Any

import click

from jikko.cli.terminal import columns, cut, is_live, tail, width
from jikko.events import (
    ContainerStarted,
    Event,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    RoundFinished,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    TextChunk,
)
from jikko.terminal_text import harmless, printable, shown
from jikko.values import encode_json

_MARKS = {"succeeded": ("✓", "green"), "exception": ("!", "yellow"), "failed": ("✗", "red")}
_MAX_OPEN_LINE_CHARACTERS = 1000
"""Characters of an unfinished line that is shown."""


_CLEAR = "\r\x1b[2K"


class LiveLine:
    """Temporary line on standard error."""

    def __init__(self) -> None:
        self._drawn = ""

    def draw(self, title: str, clock: str, coming: str = "") -> None:
        """Show a title with a clock, and as much of the end of a text as fits. Never wider than the terminal. Long
        titles are cut: the clock is the purpose of the line."""
        room = columns() - 1
        title = cut(printable(f"  ⋯ {title}"), max(6, room - width(clock) - 1))
        line = cut(f"{title} {clock}", room)
        if coming and (left := room - width(line) - 3) > 8:
            # Only the end is processed: the text may have megabytes.
            line += f" │ {tail(printable(coming[-room - 2 :]), left)}"
        if line != self._drawn:
            self._write(_CLEAR + line)
            self._drawn = line

    def clear(self) -> None:
        if self._drawn:
            self._write(_CLEAR)
            self._drawn = ""

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


class ProgressReporter:
    """Reporter of a line per node on standard error; or, for programs, each event as a line of JSON on standard output.
    On a terminal, a live line at the end shows the running node, its time, its finished rounds, and incoming text."""

    def __init__(self, *, as_json: bool, stopped_by: Any = None) -> None:
        """``stopped_by``: Returns what stopped the run, if this command did, such as ``Ctrl-C``."""
        self._as_json = as_json
        self._stopped_by = stopped_by or (lambda: "")
        self._line = LiveLine() if is_live(os.environ) and not as_json else None
        self._running: dict[str, tuple[NodeStarted, float]] = {}
        self._rounds: dict[str, tuple[int, int]] = {}
        """Finished and total rounds of containers."""
        self._text = ""
        """Unfinished line of text."""
        self._printed_errors: set[str] = set()
        """Errors already printed on a node's line."""

    def show(self, event: Event) -> None:
        if self._as_json:
            click.echo(shown(encode_json(event).decode()))
            return
        match event:
            case RunStarted():
                self._say("run started")
            case RunResumed():
                self._say("run resumed")
            case NodeStarted():
                self._running[event.execution_id] = event, time.monotonic()
                self._node("▸", None, event, "")
            case ContainerStarted():
                self._rounds[event.execution_id] = 0, event.length
            case RoundFinished() if event.execution_id in self._rounds:
                over, length = self._rounds[event.execution_id]
                self._rounds[event.execution_id] = over + 1, length
            case NodeAttempted():
                self._node("↻", "yellow", event, f"attempt {event.attempt} failed: {event.error}")
            case NodeFinished():
                self._running.pop(event.execution_id, None)
                self._end_text()
                mark, color = _MARKS[event.status]
                if event.error:
                    self._printed_errors.add(event.error)
                rounds = self._rounds_of(event.execution_id)
                detail = f"{event.elapsed * 1000:.0f} ms{rounds}" + (f"  {event.error}" if event.error else "")
                self._node(mark, color, event, detail)
            case TextChunk() if self._line is not None:
                self._take_in(event.text)
            case FormRequested():
                self._running.pop(event.execution_id, None)
            case RunPaused():
                self._running.clear()
                count = len(event.paused_nodes)
                self._say(f"run paused: waits for {count} form{'s' if count > 1 else ''}")
            case RunFinished():
                self._running.clear()
                self._end_text()
                self._say(self._ended(event))
        self.tick()

    def tick(self) -> None:
        """Redraw the live line."""
        if self._line is None:
            return
        if not self._running:
            self._line.clear()
            return
        # The last started, innermost node is the most informative; the outermost has the count of rounds.
        event, since = list(self._running.values())[-1]
        first, _ = next(iter(self._running.values()))
        more = f" (+{len(self._running) - 1})" if len(self._running) > 1 else ""
        rounds = self._rounds_of(first.execution_id)
        clock = f"{time.monotonic() - since:.1f} s{rounds}{more}"
        self._line.draw(event.title or event.node_id, clock, self._text)

    def close(self) -> None:
        if self._line is not None:
            self._line.clear()

    def _take_in(self, text: str) -> None:
        *lines, self._text = (self._text + text).split("\n")
        if len(self._text) > _MAX_OPEN_LINE_CHARACTERS:
            lines, self._text = [*lines, self._text], ""
        for line in lines:
            self._say(f"    │ {printable(line)}", dim=True)

    def _end_text(self) -> None:
        if self._text:
            self._say(f"    │ {printable(self._text)}", dim=True)
            self._text = ""

    def _ended(self, event: RunFinished) -> str:
        by = self._stopped_by() if event.status == "stopped" else ""
        if by:
            return f"run stopped by {by} after {event.elapsed:.2f} s, {event.total_steps} steps"
        error = f": {event.error}" if event.error and event.error not in self._printed_errors else ""
        return f"run {event.status} in {event.elapsed:.2f} s, {event.total_steps} steps{error}"

    def _rounds_of(self, execution_id: str) -> str:
        over, length = self._rounds.get(execution_id, (0, 0))
        return f"  {over}/{length}" if length else ""

    def _node(
        self, mark: str, color: str | None, event: NodeStarted | NodeAttempted | NodeFinished, detail: str
    ) -> None:
        depth = "  " * (len(event.rounds) + 1)
        place = f"[{event.rounds[-1].index}] " if event.rounds else ""
        title = event.title or event.node_id
        self._say(f"{depth}{mark} {place}{title} ({event.node_type}) {detail}".rstrip(), fg=color)

    def _say(self, text: str, **style: Any) -> None:
        if self._line is not None:
            self._line.clear()
        click.echo(click.style(harmless(text), **style) if any(style.values()) else harmless(text), err=True)
