"""Errors as clients of the API see them."""

from collections.abc import Iterator

from jikko import errors

REPEATED_HARM = {"RunLeft", "LogDamaged"}
"""The run goes on by itself, and a request that is repeated would begin another; a log stays damaged."""


def _all(kind: type[errors.JikkoError]) -> Iterator[type[errors.JikkoError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all(below)


def test_every_503_says_when_to_try_again_unless_that_does_harm() -> None:
    unavailable = {
        kind for kind in _all(errors.JikkoError) if kind.status == 503 and kind.__module__.startswith("jikko.")
    }

    silent = {kind.__name__ for kind in unavailable if "Retry-After" not in kind.headers}

    assert len(unavailable) > len(REPEATED_HARM)
    assert silent == REPEATED_HARM
