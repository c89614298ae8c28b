"""Limits of one run of a user's program, and how many may run."""

import os
from dataclasses import dataclass, field, replace

from jikko.concurrency.fair_semaphore import APP_SHARE, part_of_worker

MIB = 1 << 20


def _default_concurrency() -> int:
    # Twice the cores keeps them busy; never below 16, so that a few endless loops do not hold up everyone else.
    return max(16, 2 * (os.cpu_count() or 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """The limits of the sandbox. A run that breaks one ends with an error that names it.

    Memory to plan for, at worst: ``concurrent_runs`` times (``memory_bytes`` + 45 MiB).
    Raises ``ValueError``: a limit is outside of its range.
    """

    wall_seconds: float = 10.0
    """How long one run may take from its start, in seconds. Waiting in the queue does not count. More than 0."""
    cpu_seconds: int | None = None
    """How much CPU time one run may use, in whole seconds (the kernel counts no finer), at least 1. ``None``: as much
    as it can use within ``wall_seconds``."""
    memory_bytes: int = 256 * MIB
    """How much memory one run may allocate, in bytes of address space on top of the interpreter. At least 16 MiB."""
    output_bytes: int = 4 * MIB
    """How large a result may be, in bytes of JSON (UTF-8). At least 1024."""
    output_elements: int = 200_000
    """How many elements arrays and objects of a result may have in all, nested ones included. At least 1."""
    concurrent_runs: int = field(default_factory=_default_concurrency)
    """How many programs run at once, at least 1. More wait; apps take turns, and within one it is first come, first
    served."""
    app_share: float = APP_SHARE
    """Of ``concurrent_runs``, the part that one app may have. See ``max_for_one_app``."""
    queued_runs: int = 20_000
    """How many programs of one app may wait, at least 0. One more is refused at once."""
    runs_per_server: int = 10_000
    """After how many runs the fork server is replaced, at least 1. All its children share one memory layout, which a
    patient attacker could learn."""
    server_seconds: float = 3600.0
    """After how many seconds the fork server is replaced, at the next run. More than 0."""
    require_landlock: bool = False
    """Whether to refuse to start on a kernel without Landlock. It is a second line: seccomp holds without it."""

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
        # One second behind the wall limit, so that it is a second line and never the first to fire by rounding.
        return int(self.wall_seconds) + 2 if self.cpu_seconds is None else self.cpu_seconds

    def for_worker(self, workers: int) -> "SandboxLimits":
        """The limits of one of ``workers`` processes: what holds for all together is shared out, rounded up; of the
        programs at once see ``part_of_worker``."""
        return replace(
            self,
            concurrent_runs=part_of_worker(self.concurrent_runs, workers),
            queued_runs=-(-self.queued_runs // workers),
        )
