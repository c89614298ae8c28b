"""Lazy proxies, created once, on first use."""

from collections.abc import Callable

import pytest

from jikko.concurrency.lazy_proxy import is_made, lazy_proxy


class Clerk:
    """Somebody who counts."""

    def __init__(self) -> None:
        self.count = 0

    def counted(self) -> int:
        self.count += 1
        return self.count


def made_by(asked: list[int]) -> Callable[[], Clerk]:
    def make() -> Clerk:
        asked.append(1)
        return Clerk()

    return make


def test_nothing_is_made_before_it_is_used_and_then_it_is_made_once() -> None:
    asked: list[int] = []
    clerk = lazy_proxy(made_by(asked))
    assert (asked, is_made(clerk)) == ([], False)

    assert (clerk.counted(), clerk.counted(), clerk.count) == (1, 2, 2)
    assert (asked, is_made(clerk)) == ([1], True)


def test_what_cannot_be_made_is_told_to_who_asked_and_tried_again() -> None:
    tries = iter([ValueError("no"), None])

    def make() -> Clerk:
        if (failure := next(tries)) is not None:
            raise failure
        return Clerk()

    clerk = lazy_proxy(make)
    with pytest.raises(ValueError, match="no"):
        clerk.counted()
    assert not is_made(clerk)

    assert clerk.counted() == 1


def test_what_it_has_not_is_no_attribute_of_it() -> None:
    clerk = lazy_proxy(Clerk)

    assert not hasattr(clerk, "absent")
    assert is_made(clerk)
    assert is_made(Clerk())
