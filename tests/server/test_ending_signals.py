"""Which signals end a server in good order."""

import signal
from collections.abc import Iterator

import pytest

from jikko.server.ending_signals import ending_signals


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_the_end_of_a_terminal_is_one_of_them() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

    assert set(ending_signals()) == {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def test_a_server_that_is_to_outlive_its_terminal_does() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    assert signal.SIGHUP not in ending_signals()
