"""How long a failing model is waited for: decided without any I/O."""

from typing import Final, NamedTuple

from jikko.ports.models import ModelFailure

PROBE: Final = "Good morning."
"""A text that every embedding model takes."""
_PROBED: Final = 3
"""Attempts after which it is asked whether the model takes other texts."""
_MAX_SECONDS: Final = 60.0
"""Seconds between two attempts at most."""
_PASSING: Final = frozenset({"InvokeRateLimitError", "InvokeConnectionError", "InvokeServerUnavailableError"})
"""Kinds of failures that may pass by themselves."""


class Verdict(NamedTuple):
    """What follows from a failure."""

    wait: float | None
    """Seconds until the next attempt; ``None``: there is none."""
    is_probed: bool = False
    """Whether the model is to be asked something else first: if it answers that, it is these texts that it refuses."""


def verdict(failure: ModelFailure, attempts: int) -> Verdict:
    """What to do after ``attempts`` attempts of the same texts.

    A provider that is out of order, or has too much to do, is waited for as long as it takes. One that refuses is not:
    it would refuse again.
    """
    if failure.kind not in _PASSING:
        return Verdict(None)
    wait = min(_MAX_SECONDS, 0.5 * 2.0 ** min(attempts - 1, 10))
    if failure.retry_after is not None:
        wait = max(wait, failure.retry_after)
    return Verdict(wait, attempts >= _PROBED)
