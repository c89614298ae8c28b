"""The signals that ask a server to end."""

import signal
from typing import Final

_HANGUP: Final = getattr(signal, "SIGHUP", None)
"""Windows has none."""


def ending_signals() -> tuple[signal.Signals, ...]:
    """Those to listen to: SIGTERM, Ctrl-C, and the end of the terminal (SIGHUP).

    The last one is left out where the process was started with it ignored, as ``nohup`` does.
    """
    if _HANGUP is None or signal.getsignal(_HANGUP) is signal.SIG_IGN:
        return (signal.SIGTERM, signal.SIGINT)
    return (signal.SIGTERM, signal.SIGINT, _HANGUP)


class Haste:
    """Tells the signal by which somebody asks once more, who does not want to wait.

    The end of a terminal comes several times in one moment: to the command that runs in it from the system, and from
    its shell, maybe with SIGTERM. So SIGHUP never asks once more, and what follows one asks for the first time.
    """

    def __init__(self) -> None:
        self._hung_up = False
        """Whether nothing but the end of a terminal has asked so far."""

    def is_asked_for(self, number: signal.Signals, *, stopping: bool) -> bool:
        """Note a signal. Returns whether it asks to end at once.
        ``stopping``: whether the process is about to end already."""
        if number == _HANGUP:
            self._hung_up = self._hung_up or not stopping
            return False
        hung_up, self._hung_up = self._hung_up, False
        return stopping and not hung_up
