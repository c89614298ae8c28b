"""Health of model providers in the last hour, as seen by this process."""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import Struct

from jikko.ports.models import ModelFailure

_HOUR: Final = 3600.0
_REFUSED: Final = "InvokeRateLimitError"
"""Kind of failure of a provider's rate limit."""
_MAX_KEPT_REQUESTS: Final = 5_000
"""Remembered requests per provider."""


class _Use(NamedTuple):
    at: float
    failed: bool
    elapsed: float
    refused: bool


class ProviderHour(Struct, frozen=True):
    requests: int = 0
    failed: int = 0
    p50: float | None = None
    """Median in seconds."""
    error: str | None = None
    """Error of the last failed request."""
    refused: int = 0
    """Failures by rate limit."""


class ModelUses:
    """Record of calls of models, of any kind, by entry of the providers file."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._uses: dict[str, deque[_Use]] = {}
        self._errors: dict[str, str] = {}

    def called(self, entry: str, seconds: float, failure: ModelFailure | None) -> None:
        """Record a call, as ``ProviderBackends.on_call`` reports it."""
        if failure is not None:
            self._errors[entry] = str(failure)
        use = _Use(self._clock(), failure is not None, seconds, failure is not None and failure.kind == _REFUSED)
        self._uses.setdefault(entry, deque(maxlen=_MAX_KEPT_REQUESTS)).append(use)

    def hour(self, entry: str) -> ProviderHour:
        """Return the outcomes of calls to a provider, by the id of its entry."""
        begin = self._clock() - _HOUR
        uses = [use for use in self._uses.get(entry, ()) if use.at >= begin]
        if not uses:
            return ProviderHour()
        from statistics import median  # imports a dozen modules

        failed = sum(use.failed for use in uses)
        error = self._errors[entry] if failed else None
        refused = sum(use.refused for use in uses)
        return ProviderHour(len(uses), failed, median(use.elapsed for use in uses), error, refused)
