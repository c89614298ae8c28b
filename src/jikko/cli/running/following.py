"""Following of a run by a command, until it ends or waits for a form; and signals that end the command."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jikko.assemble.assembly import Assembly
from jikko.cli.running.run_progress import ProgressReporter
from jikko.events import RunFinished, RunPaused
from jikko.exit_codes import ExitCode
from jikko.record import RunForms

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED, signal.SIGHUP: ExitCode.HUNG_UP}


class Ending:
    """Signals that ask the command to end."""

    def __init__(self) -> None:
        self._number: signal.Signals | None = None

    @property
    def wanted(self) -> bool:
        return self._number is not None

    @property
    def by(self) -> str:
        """Usual name of the first signal; empty if there was none."""
        return "" if self._number is None else _NAMES[self._number]

    @property
    def code(self) -> ExitCode:
        """Exit code for the signal."""
        return ExitCode.OK if self._number is None else _CODES[self._number]

    def came(self, number: signal.Signals) -> bool:
        """Note a signal. Returns whether it is the first."""
        first = self._number is None
        self._number = self._number or number
        return first

    @contextmanager
    def asked(self, on_signal: Callable[[], object], again: Callable[[], object] | None = None) -> Iterator[None]:
        """Within the block, call back at the first SIGINT, SIGTERM or SIGHUP, and ``again`` at each further one. A
        signal that was ignored at the start (``nohup``) stays ignored."""
        loop = asyncio.get_running_loop()

        def handle(number: signal.Signals) -> None:
            if self.came(number):
                on_signal()
            elif again is not None:
                again()

        numbers = [number for number in _NAMES if signal.getsignal(number) is not signal.SIG_IGN]
        for number in numbers:
            loop.add_signal_handler(number, handle, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


_TICK = 0.1
"""Interval of clock updates on a terminal."""


class Watch:
    """Followed run, with the events seen."""

    def __init__(self, assembly: Assembly, record: Any, progress: ProgressReporter) -> None:
        self._assembly = assembly
        self._record = record
        self._progress = progress
        self._after = -1
        self.end: RunFinished | RunPaused | None = None
        """Its end, or the current pause."""
        self.forms = RunForms()

    async def to_end_or_pause(self) -> RunFinished | RunPaused | None:
        """Show events until the run ends or pauses. ``None``: this process ended and left it before."""
        self.end = None
        ticking = asyncio.ensure_future(self._tick())
        try:
            async for batch in self._assembly.runs.control.reader(self._record).follow(self._after):
                for position, event in batch:
                    self._after = position
                    self._progress.show(event)
                    self.forms.apply(event)
                    self.end = event if isinstance(event, (RunFinished, RunPaused)) else None
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
            self._progress.close()
        return self.end

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._progress.tick()
