"""The signals that ask a server to end."""

import signal


def ending_signals() -> tuple[signal.Signals, ...]:
    """Those to listen to: SIGTERM, Ctrl-C, and the end of the terminal (SIGHUP).

    The last one is left out where the process was started with it ignored, as ``nohup`` does.
    """
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return (signal.SIGTERM, signal.SIGINT)
    return (signal.SIGTERM, signal.SIGINT, hangup)
