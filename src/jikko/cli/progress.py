"""Showing a run while it goes on."""

import click

from jikko.cli.shown import shown
from jikko.events import Event, NodeAttempted, NodeFinished, NodeStarted, RunFinished, RunPaused, RunStarted
from jikko.values import encode_json

_MARKS = {"succeeded": ("✓", "green"), "exception": ("!", "yellow"), "failed": ("✗", "red")}


class Progress:
    """A line per node on standard error; or, for programs, each event as a line of JSON on standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, event: Event) -> None:
        """Show one event."""
        if self._as_json:
            click.echo(shown(encode_json(event).decode()))
            return
        match event:
            case RunStarted():
                click.echo("run started", err=True)
            case NodeStarted():
                self._line("▸", None, event, "")
            case NodeAttempted():
                self._line("↻", "yellow", event, f"attempt {event.attempt} failed: {event.error}")
            case NodeFinished():
                mark, color = _MARKS[event.status]
                detail = f"{event.elapsed * 1000:.0f} ms" + (f"  {event.error}" if event.error else "")
                self._line(mark, color, event, detail)
            case RunPaused():
                click.echo(f"run paused: waits for {', '.join(event.paused_nodes)}", err=True)
            case RunFinished():
                error = f": {event.error}" if event.error else ""
                told = f"run {event.status} in {event.elapsed:.2f} s, {event.total_steps} steps{error}"
                click.echo(shown(told), err=True)
            case _:
                pass

    @staticmethod
    def _line(mark: str, color: str | None, event: NodeStarted | NodeAttempted | NodeFinished, detail: str) -> None:
        depth = "  " * (len(event.rounds) + 1)
        place = f"[{event.rounds[-1].index}] " if event.rounds else ""
        title = event.title or event.node_id
        line = f"{depth}{mark} {place}{title} ({event.node_type}) {detail}".rstrip()
        click.echo(click.style(shown(line), fg=color), err=True)
