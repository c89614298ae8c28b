"""Errors as clients of the API see them."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import jikko
from jikko import errors

REPEATED_IN_VAIN = {"RunLeft", "LogDamaged", "VectorsUnavailable"}
"""The run goes on by itself, and a request that is repeated would begin another; a log stays damaged; a library that is
missing does not come by waiting."""


def _all(kind: type[errors.JikkoError]) -> Iterator[type[errors.JikkoError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all(below)


def test_every_503_says_when_to_try_again_unless_that_is_in_vain() -> None:
    for module in pkgutil.walk_packages(jikko.__path__, "jikko."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    unavailable = {
        kind for kind in _all(errors.JikkoError) if kind.status == 503 and kind.__module__.startswith("jikko.")
    }

    silent = {kind.__name__ for kind in unavailable if "Retry-After" not in kind.headers}

    assert len(unavailable) > len(REPEATED_IN_VAIN)
    assert silent == REPEATED_IN_VAIN
