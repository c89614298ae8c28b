"""Signals that ask a command to end."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jikko.exit_codes import ExitCode

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED, signal.SIGHUP: ExitCode.HUNG_UP}


class Ending:
    """What became of the wish to end."""

    def __init__(self) -> None:
        self._number: signal.Signals | None = None

    @property
    def wanted(self) -> bool:
        return self._number is not None

    @property
    def by(self) -> str:
        """The first signal that came, as people call it; empty if none did."""
        return "" if self._number is None else _NAMES[self._number]

    @property
    def code(self) -> ExitCode:
        """The exit code that tells which signal came."""
        return ExitCode.OK if self._number is None else _CODES[self._number]

    def came(self, number: signal.Signals) -> bool:
        """Note a signal. Returns whether it is the first."""
        first = self._number is None
        self._number = self._number or number
        return first

    @contextmanager
    def asked(self, on_signal: Callable[[], object], again: Callable[[], object] | None = None) -> Iterator[None]:
        """Within the block, call back at the first SIGINT, SIGTERM or SIGHUP, and otherwise at each further one.

        A signal that the command was started with ignored (``nohup``) stays ignored.
        """
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
