"""Limits of runs of user programs, and of their number; and the sandbox where there can be none: it says why, and runs
nothing."""

import os
import platform
import sys
from dataclasses import dataclass, field, replace
from typing import Any

from jikko.concurrency.fair_semaphore import APP_SHARE, part_of_worker
from jikko.diagnostics.diagnostic import Phrase
from jikko.locks.numbers import MACHINES
from jikko.ports.sandbox import SandboxFailure
from jikko.values import Json

MIB = 1 << 20


def _default_concurrency() -> int:
    # Twice the cores keeps them busy; at least 16, so that a few endless loops do not block everyone else.
    return max(16, 2 * (os.cpu_count() or 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """Limits of the sandbox. A run that exceeds one ends with an error that names it.

    Worst-case memory: ``concurrent_runs`` times (``memory_bytes`` + 45 MiB). Raises ``ValueError`` for a limit out of
    range.
    """

    wall_seconds: float = 10.0
    """Maximum duration of a run in seconds, without queueing. More than 0."""
    cpu_seconds: int | None = None
    """Maximum CPU time of a run, in whole seconds (the kernel's resolution), at least 1. ``None``: limited by
    ``wall_seconds`` only."""
    memory_bytes: int = 256 * MIB
    """Maximum allocation of a run, in bytes of address space beyond the interpreter's. At least 16 MiB."""
    output_bytes: int = 4 * MIB
    """Maximum size of a result, in bytes of JSON (UTF-8). At least 1024."""
    output_elements: int = 200_000
    """Maximum number of array and object elements in a result, including nested ones. At least 1."""
    concurrent_runs: int = field(default_factory=_default_concurrency)
    """Maximum number of concurrent programs, at least 1. Others wait; apps take turns, and within an app it is first
    come, first served."""
    app_share: float = APP_SHARE
    """The part of ``concurrent_runs`` that one app may have. See ``max_for_one_app``."""
    queued_runs: int = 20_000
    """Maximum number of waiting programs per app, at least 0. Further ones are refused at once."""
    runs_per_server: int = 10_000
    """Number of runs after which the fork server is replaced, at least 1. All its children share one memory layout,
    which a patient attacker could learn."""
    server_seconds: float = 3600.0
    """Age in seconds at which the fork server is replaced, at the next run. More than 0."""
    require_landlock: bool = False
    """Whether to require Landlock. It is a second line of defence: seccomp holds without it."""

    def __post_init__(self) -> None:
        for name, least in (
            ("memory_bytes", 16 * MIB),
            ("output_bytes", 1024),
            ("output_elements", 1),
            ("concurrent_runs", 1),
            ("queued_runs", 0),
            ("runs_per_server", 1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("wall_seconds", "server_seconds"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be more than 0 and finite, not {getattr(self, name)}")
        if self.cpu_seconds is not None and self.cpu_seconds < 1:
            raise ValueError(f"cpu_seconds must be at least 1, not {self.cpu_seconds}")

    @property
    def effective_cpu_seconds(self) -> int:
        # Slightly beyond the wall limit: it must never fire first.
        return int(self.wall_seconds) + 2 if self.cpu_seconds is None else self.cpu_seconds

    def for_worker(self, workers: int) -> "SandboxLimits":
        """Return the limits of one of ``workers`` processes: totals are divided, rounded up; for concurrent programs
        see ``part_of_worker``."""
        return replace(
            self,
            concurrent_runs=part_of_worker(self.concurrent_runs, workers),
            queued_runs=-(-self.queued_runs // workers),
        )


def unavailable(reason: str) -> SandboxFailure:
    return SandboxFailure(f"The sandbox is not available: {reason}", kind="SandboxUnavailableError")


def why_unsupported() -> Phrase | None:
    """Why this machine cannot have a sandbox, or ``None`` if it may have one."""
    if sys.platform != "linux":
        return Phrase("sandbox.platform")
    if platform.machine() not in MACHINES:
        return Phrase("sandbox.machine", {"machines": " or ".join(MACHINES), "machine": platform.machine()})
    return None


class UnavailableSandbox:
    """A sandbox that refuses every run. Implements ``jikko.ports.sandbox.Sandbox``."""

    def __init__(self, reason: str) -> None:
        """Make one. ``reason``: what is missing and how to get it; goes into every error."""
        self._reason = reason

    async def run_code(self, *job: Any, **options: Any) -> dict[str, Json]:
        raise unavailable(self._reason)

    async def render(self, *job: Any, **options: Any) -> str:
        raise unavailable(self._reason)

    async def close(self) -> None:
        """Do nothing."""
