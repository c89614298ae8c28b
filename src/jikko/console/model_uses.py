"""Health of model providers in the last hour, as seen by this process."""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import Struct

from jikko.dsl.repair import model_provider
from jikko.events import NodeFinished
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver

_CALLERS: Final = frozenset({"llm", "parameter-extractor", "question-classifier"})
_HOUR: Final = 3600.0
_REFUSED: Final = "InvokeRateLimitError"
"""Error type of a provider's rate limit."""
_MAX_KEPT_REQUESTS: Final = 5_000
"""Remembered requests per provider."""


class _Use(NamedTuple):
    at: float
    failed: bool
    elapsed: float
    refused: bool


class ProviderHour(Struct, frozen=True):
    """Last hour of a provider."""

    requests: int = 0
    failed: int = 0
    p50: float | None = None
    """Median in seconds."""
    error: str | None = None
    """Error of the last failed node."""
    refused: int = 0
    """Failures by rate limit."""


class ModelUses(RunObserver):
    """Record of nodes that called a model."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._uses: dict[str, deque[_Use]] = {}
        self._errors: dict[str, str] = {}

    def node_ended(self, run: RunIdentity, event: NodeFinished) -> None:
        if event.node_type not in _CALLERS:
            return
        # Failed nodes have it in their inputs.
        named = event.process_data.get("model_provider") or event.inputs.get("model_provider")
        if not isinstance(named, str) or not named:
            return
        provider = model_provider(named)
        failed = event.status != "succeeded"
        if failed and event.error:
            self._errors[provider] = event.error
        use = _Use(event.at, failed, event.elapsed, failed and event.error_type == _REFUSED)
        self._uses.setdefault(provider, deque(maxlen=_MAX_KEPT_REQUESTS)).append(use)

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(self._uses)

    def hour(self, *providers: str) -> ProviderHour:
        """Return the combined outcomes of calls to providers, by their long names."""
        begin = self._clock() - _HOUR
        uses = [use for provider in providers for use in self._uses.get(provider, ()) if use.at >= begin]
        if not uses:
            return ProviderHour()
        from statistics import median  # imports a dozen modules

        failed = sum(use.failed for use in uses)
        errors = [self._errors[provider] for provider in providers if provider in self._errors]
        error = errors[-1] if failed and errors else None
        refused = sum(use.refused for use in uses)
        return ProviderHour(len(uses), failed, median(use.elapsed for use in uses), error, refused)
