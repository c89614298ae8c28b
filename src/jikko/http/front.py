"""Shared state of all requests of a process, besides its services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from jikko.concurrency.scheduler import LoopLag
from jikko.http.bodies.reading import Bodies
from jikko.http.sse import PING_SECONDS

if TYPE_CHECKING:
    from jikko.settings import Settings


class Front(Struct, frozen=True, kw_only=True):
    """The limits and clocks that all requests share."""

    bodies: Bodies = field(default_factory=Bodies)
    lag: LoopLag = field(default_factory=LoopLag)
    ping_seconds: float = PING_SECONDS
    """Between two signs of life on a stream without events."""


def front_of(settings: Settings, lag: LoopLag | None = None) -> Front:
    """The front of a process with these settings. ``lag``: how late its event loop is, if that is measured."""
    bodies = Bodies(settings.body_memory, settings.app_share, settings.body_seconds)
    return Front(bodies=bodies, lag=lag or LoopLag())
