"""Agent log: entries that start and end, and the usage of models."""

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from jikko.ports.models import ModelUsage, plain
from jikko.ports.tools import LogMessage, ToolMessage
from jikko.values import Json

_IDS: Final = UUID("8f6c1a52-5d0e-5b43-9f0b-6a4f2c9a7e10")
"""Ids of entries derive from the node execution: after a crash they are the same."""


class AgentLog:
    def __init__(self, key: str, emit: Callable[[ToolMessage], None]) -> None:
        """``key``: Of the node execution."""
        self._key = key
        self._emit = emit
        self._entries = 0

    def begin(
        self, label: str, *, parent: str | None = None, started_at: float, provider: str | None = None
    ) -> LogMessage:
        """Log the start of something. Returns the entry, for ``finish`` or ``fail``."""
        self._entries += 1
        metadata: dict[str, Json] = {"started_at": started_at}
        if provider is not None:
            metadata["provider"] = provider
        id_ = str(uuid5(_IDS, f"{self._key}/{self._entries}"))
        entry = LogMessage(id=id_, label=label, parent_id=parent, status="start", metadata=metadata)
        self._emit(entry)
        return entry

    def finish(
        self, entry: LogMessage, data: Mapping[str, Json], metadata: Mapping[str, Json], usage: ModelUsage | None = None
    ) -> None:
        spent = {} if usage is None else _spent(usage)
        self._emit(replace(entry, status="success", data=data, metadata={**metadata, **spent}))

    def fail(self, entry: LogMessage, error: str, began: float) -> None:
        self._emit(replace(entry, status="error", error=error, metadata={**entry.metadata, **times(began)}))


def times(began: float) -> dict[str, Any]:
    """Return start, end (now) and duration, in seconds."""
    now = time.perf_counter()
    return {"started_at": began, "finished_at": now, "elapsed_time": now - began}


def _spent(usage: ModelUsage) -> dict[str, Json]:
    return {"total_price": plain(usage.total_price), "currency": usage.currency, "total_tokens": usage.total_tokens}


def metadata_of(usages: Sequence[ModelUsage]) -> dict[str, Json]:
    """Return the total usage of all rounds; unit prices are those of the last."""
    if not usages:
        return {}
    last = usages[-1]

    def summed(name: str) -> Decimal:
        return sum((getattr(usage, name) for usage in usages), Decimal(0))

    return {
        "total_price": float(summed("total_price")),
        "currency": last.currency,
        "total_tokens": sum(usage.total_tokens for usage in usages),
        "prompt_tokens": sum(usage.prompt_tokens for usage in usages),
        "prompt_unit_price": float(last.prompt_unit_price),
        "prompt_price_unit": 0.000001,
        "prompt_price": float(summed("prompt_price")),
        "completion_tokens": sum(usage.completion_tokens for usage in usages),
        "completion_unit_price": float(last.completion_unit_price),
        "completion_price_unit": 0.000001,
        "completion_price": float(summed("completion_price")),
        "latency": sum(usage.latency for usage in usages),
    }
