"""Which signals end a server in good order."""

import signal
from collections.abc import Iterator

import pytest

from jikko.server.process_signals import Haste, ending_signals


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


@pytest.mark.parametrize(
    ("signals", "at_once"),
    [
        ("INT INT", [False, True]),
        ("TERM INT INT", [False, True, True]),
        ("HUP HUP HUP", [False, False, False]),
        ("HUP TERM", [False, False]),
        ("HUP HUP INT INT", [False, False, False, True]),
        ("TERM HUP", [False, False]),
        ("TERM HUP TERM", [False, False, True]),
    ],
)
def test_a_window_that_was_closed_counted_as_somebody_who_does_not_want_to_wait(
    signals: str, at_once: list[bool]
) -> None:
    haste = Haste()

    numbers = [signal.Signals[f"SIG{name}"] for name in signals.split()]
    assert [haste.is_asked_for(number, stopping=at > 0) for at, number in enumerate(numbers)] == at_once


def test_who_ends_a_server_that_is_stopping_by_itself_is_in_haste() -> None:
    assert Haste().is_asked_for(signal.SIGTERM, stopping=True)
    assert not Haste().is_asked_for(signal.SIGHUP, stopping=True)
